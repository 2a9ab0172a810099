"""Which store and which namespace this process looks at: the client's only mutable state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from metaflow_core import config
from metaflow_core.client.store import Store


@dataclass
class _Scope:
    """What the user chose; without a choice the user's namespace, and the store found from here."""

    namespace: str | None = None
    has_namespace: bool = False
    store: Store | None = None


_SCOPE = _Scope()


@contextmanager
def temporary() -> Iterator[None]:
    """What is chosen inside is undone at the end."""
    before = replace(_SCOPE)
    try:
        yield
    finally:
        vars(_SCOPE).update(vars(before))


def namespace(ns: str | None) -> str | None:
    """Look only at objects that have the tag *ns*, or at all with None; the namespace in force."""
    _SCOPE.namespace, _SCOPE.has_namespace = ns, True
    return get_namespace()


def get_namespace() -> str | None:
    """The namespace in force; None looks at everything."""
    return _SCOPE.namespace if _SCOPE.has_namespace else f"user:{config.user()}"


def default_namespace() -> str | None:
    """Go back to the namespace of the current user; the namespace in force."""
    _SCOPE.has_namespace = False
    return get_namespace()


def metadata(ms: str) -> str:
    """Look at another store: a directory, or ``local@directory``; what is looked at then.

    The directory is the one that holds ``.metaflow``, or with ``spin@`` ``.metaflow_spin``.

    Raises:
        StoreUnavailable: If the directory holds no ``.metaflow``.
        UsageError: If *ms* names a metadata service, which this version cannot read yet.
    """
    _SCOPE.store = Store.at(ms)
    return get_metadata()


def inspect_spin(datastore_root: str = ".") -> None:
    """Look at the steps that were tried by themselves and kept.

    Args:
        datastore_root: The directory that holds ``.metaflow_spin``.

    Raises:
        StoreUnavailable: If there is none.
    """
    metadata(f"spin@{datastore_root}")


def get_metadata() -> str:
    """The store that is looked at, such as ``"local@/home/ada/flows"``."""
    return current_store().name


def default_metadata() -> str:
    """Go back to the store that the configuration and the working directory name."""
    _SCOPE.store = None
    return get_metadata()


def current_store() -> Store:
    """The store that is looked at.

    Without a choice it is found anew each time, as the working directory may have changed.
    """
    return _SCOPE.store or Store.default()
