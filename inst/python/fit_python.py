"""Exits 0 if this Python can serve R, else says why not: run it with the Python in question."""

import importlib.util
import os
import sys
import sysconfig


def unfit_because():
    """Why R could not use this Python through reticulate; None if it can."""
    if sys.version_info < (3, 11):  # noqa: UP036 - any Python may be asked
        return "is older than 3.11"
    # Debian splits the standard library: without python3-venv there is venv, but no ensurepip.
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        return "has no venv"
    # R loads Python as a shared library; a Python built without one cannot be loaded at all.
    library = os.path.join(
        sysconfig.get_config_var("LIBDIR") or "", sysconfig.get_config_var("LDLIBRARY") or ""
    )
    if not library.endswith((".so", ".dylib")) or not os.path.exists(library):
        return "has no shared library (built without --enable-shared)"
    return None


reason = unfit_because()
if reason:
    sys.exit(" ".join([sys.executable, "(" + sys.version.split()[0] + ")", reason]))
