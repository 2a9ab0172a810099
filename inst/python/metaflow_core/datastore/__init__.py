"""Where artifacts live: storage, content-addressed blobs, attempts. May import `model` and below."""
