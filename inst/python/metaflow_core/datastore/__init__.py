"""Where artifacts live: storage, blobs, attempts. May import `model` and below."""
