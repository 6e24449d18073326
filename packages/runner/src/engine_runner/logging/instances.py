"""What instances that are known by name have in common here."""

from __future__ import annotations

from engine_registry import ManagerMixin


def forget(instance: ManagerMixin) -> None:
    """Drop the name of an instance, so that the next one asked for by it is made anew."""
    manager = type(instance)
    with manager._instance_lock:
        if manager._instance_dict.get(instance.instance_name) is instance:
            del manager._instance_dict[instance.instance_name]
