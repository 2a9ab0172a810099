"""What holds for all tests."""

from hypothesis import settings

# A property holds on a slow machine too.
settings.register_profile("claims", deadline=None)
settings.load_profile("claims")
