"""Who ran what, when, with which tags. May import `model` and below."""
