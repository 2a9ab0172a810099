"""What holds for all tests."""

import signal

from hypothesis import settings

# A property holds on a slow machine too.
settings.register_profile("claims", deadline=None)
settings.load_profile("claims")

# A shell starts what runs in the background without Ctrl-C, and so would all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
