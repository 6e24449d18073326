"""A sample's data and the facts about it, as named fields."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

import numpy as np
import torch

from .fields import FieldNames

Self = TypeVar("Self", bound="BaseDataElement")
_OWN = ("_metainfo_fields", "_data_fields")
# That a dictionary is a mapping is found at once; to ask the abstract class takes ten times that.
MAPPING = (dict, Mapping)
_CONSTANTS = frozenset({str, int, float, bool, type(None), bytes, complex})


class BaseDataElement:
    """Holds *data* (tensors, arrays, labels, nested elements) and *metainfo* (facts about it).

    A field is an attribute: setting one adds data, ``del`` removes it.  Metainfo is set by
    `set_metainfo` alone and cannot be overwritten by an assignment.  What moves or converts
    tensors (`to`, `cpu`, `numpy`, …) returns a new element with the same metainfo and leaves
    this one as it is.

    Parameters
    ----------
    metainfo
        Facts about the data, such as the size of an image; copied deeply.
    **kwargs
        Data fields.

    Examples
    --------
    >>> import torch
    >>> sample = BaseDataElement(metainfo={"size": (4, 4)}, box=torch.tensor([0, 0, 2, 2]))
    >>> sample.size, sample.keys(), "box" in sample
    ((4, 4), ['box'], True)
    >>> sample.label = 3
    >>> sample.to_dict()
    {'size': (4, 4), 'box': tensor([0, 0, 2, 2]), 'label': 3}
    """

    _metainfo_fields: FieldNames
    _data_fields: FieldNames
    # names of properties, by class: a property's own field is hidden behind it
    _properties: ClassVar[frozenset[str]] = frozenset()
    # names that are no mere fields, or None where a subclass has a say in every field
    _special: ClassVar[frozenset[str] | None]

    if TYPE_CHECKING:  # fields are what users set

        def __getattr__(self, name: str) -> Any: ...

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = (name for name, value in vars(cls).items() if isinstance(value, property))
        cls._properties = cls._properties.union(own)
        cls._special = _special_names(cls)

    def __init__(self, *, metainfo: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        fields = self.__dict__
        fields["_metainfo_fields"], fields["_data_fields"] = FieldNames(), FieldNames()
        if metainfo is not None:
            self.set_metainfo(metainfo)
        if kwargs:
            self.set_data(kwargs)

    # ---------------------------------------------------------------------- set

    def set_metainfo(self, metainfo: Mapping[str, Any]) -> None:
        """Add or replace metainfo; the values are copied deeply.

        Raises
        ------
        AttributeError
            If a name is that of a data field.
        TypeError
            If ``metainfo`` is not a dict.
        """
        if not isinstance(metainfo, MAPPING):
            raise TypeError(f"metainfo should be a dict, got {type(metainfo).__name__}")
        special, taken = self._special, self._data_fields.names
        names, fields = self._metainfo_fields.names, self.__dict__
        for name, value in _deeply_copied(metainfo).items():
            if special is None or type(name) is not str or name in special or name in taken:
                self.set_field(value, name, field_type="metainfo")
            else:
                names[name] = None
                fields[name] = value

    def set_data(self, data: Mapping[str, Any]) -> None:
        """Add or replace data fields."""
        if not isinstance(data, MAPPING):
            raise TypeError(f"data should be a dict, got {type(data).__name__}")
        special, taken = self._special, self._metainfo_fields.names
        names, fields = self._data_fields.names, self.__dict__
        for name, value in data.items():
            if special is None or type(name) is not str or name in special or name in taken:
                setattr(self, name, value)
            else:  # what `setattr` comes to
                names[name] = None
                fields[name] = value

    def update(self, instance: BaseDataElement) -> None:
        """Add or replace the metainfo and data that another element has."""
        if not isinstance(instance, BaseDataElement):
            raise TypeError(f"update needs a BaseDataElement, got {type(instance).__name__}")
        self.set_metainfo(dict(instance.metainfo_items()))
        self.set_data(dict(instance.items()))

    def set_field(
        self,
        value: Any,
        name: str,
        dtype: type | tuple[type, ...] | None = None,
        field_type: Literal["metainfo", "data"] = "data",
    ) -> None:
        """Set one field; for the setters of properties that check a type.

        Raises
        ------
        TypeError
            If the value is not of type ``dtype``.
        AttributeError
            If the name belongs to the other kind of field.
        """
        if field_type not in ("metainfo", "data"):
            raise ValueError(f"field_type should be 'metainfo' or 'data', got {field_type!r}")
        if dtype is not None and not isinstance(value, dtype):
            raise TypeError(f"{name} should be of type {dtype}, got {type(value).__name__}")
        mine, other, what = self._metainfo_fields, self._data_fields, "data"
        if field_type == "data":
            self._require_fit(name, value)
            mine, other, what = other, mine, "metainfo"
        if name in other:
            raise AttributeError(
                f"{name!r} is {what} of this {type(self).__name__} and cannot be set as "
                f"{field_type}; pop it first, or choose another name"
            )
        mine.add(name)
        object.__setattr__(self, name, value)

    def _require_fit(self, name: str, value: Any) -> None:
        """Raise where a value does not fit the other fields; for subclasses."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _OWN:
            if hasattr(self, name):
                raise AttributeError(f"{name} holds the names of fields and cannot be replaced")
            object.__setattr__(self, name, value)
        else:
            self.set_field(value, name)

    def __delattr__(self, name: str) -> None:
        if name in _OWN:
            raise AttributeError(f"{name} holds the names of fields and cannot be deleted")
        object.__delattr__(self, name)
        self._metainfo_fields.discard(name)
        self._data_fields.discard(name)

    # ---------------------------------------------------------------------- get

    def get(self, key: str, default: Any = None) -> Any:
        """Return a field, or ``default`` where there is none."""
        return getattr(self, key, default)

    def pop(self, *args: Any) -> Any:
        """Remove a field and return it: ``pop(name)`` or ``pop(name, default)``.

        Raises
        ------
        KeyError
            If there is no such field and no default.
        """
        if not 1 <= len(args) <= 2:
            raise TypeError(f"pop takes a name and at most one default, got {len(args)} arguments")
        name = args[0]
        if name in self._data_fields or name in self._metainfo_fields:
            value = getattr(self, name)
            self._data_fields.discard(name)
            self._metainfo_fields.discard(name)
            self.__dict__.pop(name, None)
            return value
        if len(args) == 2:
            return args[1]
        raise KeyError(f"{name!r} is no field; there are {self.all_keys()}")

    def __contains__(self, item: object) -> bool:
        return item in self._data_fields or item in self._metainfo_fields

    def keys(self) -> list[str]:
        """Return the names of the data fields; those behind a property show as the property."""
        names = self._data_fields
        if not self._properties:
            return list(names)
        hidden = {f"_{name}" for name in names if name in self._properties}
        return [name for name in names if name not in hidden]

    def metainfo_keys(self) -> list[str]:
        """Return the names of the metainfo."""
        return list(self._metainfo_fields)

    def all_keys(self) -> list[str]:
        """Return the names of metainfo and data."""
        return self.metainfo_keys() + self.keys()

    def values(self) -> list[Any]:
        """Return the data."""
        return [getattr(self, name) for name in self.keys()]

    def metainfo_values(self) -> list[Any]:
        """Return the metainfo's values."""
        return [getattr(self, name) for name in self._metainfo_fields]

    def all_values(self) -> list[Any]:
        """Return the values of metainfo and data."""
        return self.metainfo_values() + self.values()

    def items(self) -> Iterator[tuple[str, Any]]:
        """Yield name and value of every data field."""
        for name in self.keys():
            yield name, getattr(self, name)

    def metainfo_items(self) -> Iterator[tuple[str, Any]]:
        """Yield name and value of the metainfo."""
        for name in self.metainfo_keys():
            yield name, getattr(self, name)

    def all_items(self) -> Iterator[tuple[str, Any]]:
        """Yield name and value of metainfo and data."""
        yield from self.metainfo_items()
        yield from self.items()

    @property
    def metainfo(self) -> dict[str, Any]:
        """A dict of the metainfo."""
        return dict(self.metainfo_items())

    # --------------------------------------------------------------------- copy

    def new(self: Self, *, metainfo: Mapping[str, Any] | None = None, **kwargs: Any) -> Self:
        """Return a new element: with the metainfo and data given, else with this one's."""
        made = self.__class__()
        made.set_metainfo(dict(self.metainfo_items()) if metainfo is None else metainfo)
        made.set_data(kwargs or dict(self.items()))
        return made

    def clone(self: Self) -> Self:
        """Return a deep copy; what was computed with a gradient stays in its graph."""
        made = self.__class__()
        made.set_metainfo(dict(self.metainfo_items()))
        made.set_data({name: _cloned(value) for name, value in self.items()})
        return made

    def _mapped(self: Self, convert: Callable[[Any], Any]) -> Self:
        made = self.new()
        made.set_data({name: convert(value) for name, value in self.items()})
        return made

    def to(self: Self, *args: Any, **kwargs: Any) -> Self:
        """Return an element on which ``to`` of every tensor and nested element was called."""
        return self._mapped(lambda v: v.to(*args, **kwargs) if hasattr(v, "to") else v)

    def cpu(self: Self) -> Self:
        """Return an element in the memory of the host."""
        return self._moved("cpu")

    def cuda(self: Self) -> Self:
        """Return an element on the current CUDA device."""
        return self._moved("cuda")

    def npu(self: Self) -> Self:
        """Return an element on the current Ascend device."""
        return self._moved("npu")

    def mlu(self: Self) -> Self:
        """Return an element on the current Cambricon device."""
        return self._moved("mlu")

    def musa(self: Self) -> Self:
        """Return an element on the current Moore Threads device."""
        return self._moved("musa")

    def _moved(self: Self, device: str) -> Self:
        return self._mapped(lambda v: v.to(device) if _is_movable(v) else v)

    def detach(self: Self) -> Self:
        """Return an element whose tensors are cut from the graph."""
        return self._mapped(lambda v: v.detach() if _is_movable(v) else v)

    def numpy(self: Self) -> Self:
        """Return an element with arrays in place of tensors; of float32 for bfloat16."""
        return self._mapped(_to_numpy)

    def to_tensor(self: Self) -> Self:
        """Return an element with tensors in place of arrays."""
        return self._mapped(_to_tensor)

    def to_dict(self) -> dict[str, Any]:
        """Return metainfo and data as a dict, nested elements as dicts too."""
        fields = self.__dict__
        try:
            found = {name: fields[name] for name in self._metainfo_fields.names}
            for name in self._data_fields.names if not self._properties else self.keys():
                found[name] = fields[name]
        except KeyError:  # what a property gives
            found = dict(self.all_items())
        for name, value in found.items():
            if type(value) is not torch.Tensor and isinstance(value, BaseDataElement):
                found[name] = value.to_dict()
        return found

    def __repr__(self) -> str:
        return "\n".join(_lines(self))


def _special_names(cls: type[BaseDataElement]) -> frozenset[str] | None:
    by_class = ("__setattr__", "set_field", "_require_fit")
    if any(getattr(cls, name) is not getattr(BaseDataElement, name) for name in by_class):
        return None
    return frozenset((*dir(cls), *_OWN))


BaseDataElement._special = _special_names(BaseDataElement)


def _deeply_copied(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a deep copy, without a look at values of which there can be but one."""
    found = dict(values)
    mutable = {name: value for name, value in found.items() if not _is_constant(value)}
    if mutable:
        found.update(copy.deepcopy(mutable))  # together, for they may share something
    return found


def _is_constant(value: object) -> bool:
    if type(value) is tuple:
        return _CONSTANTS.issuperset(map(type, value))
    return type(value) in _CONSTANTS


def _is_movable(value: object) -> bool:
    return isinstance(value, torch.Tensor | BaseDataElement)


def _cloned(value: Any) -> Any:
    if isinstance(value, BaseDataElement) or (
        isinstance(value, torch.Tensor) and not value.is_leaf  # which deepcopy refuses
    ):
        return value.clone()
    return copy.deepcopy(value)


def _to_numpy(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        return (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    return value.numpy() if isinstance(value, BaseDataElement) else value


def _to_tensor(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        # a tensor is always writable and has no negative strides, such as a flip leaves
        same = value.flags.writeable and min((0, *value.strides)) == 0
        return torch.from_numpy(value if same else value.copy())
    return value.to_tensor() if isinstance(value, BaseDataElement) else value


def _lines(element: BaseDataElement) -> Iterator[str]:
    yield f"{type(element).__name__}("
    for title, items in (("metainfo", element.metainfo_items()), ("data", element.items())):
        for number, (name, value) in enumerate(items):
            if number == 0:
                yield f"  {title}:"
            first, *rest = _described(value).splitlines() or [""]
            yield f"    {name}: {first}"
            yield from (f"    {line}" for line in rest)
    yield ")"


def _described(value: object) -> str:
    if isinstance(value, torch.Tensor | np.ndarray) and value.size and _count(value) > 8:
        device = f", {value.device}" if isinstance(value, torch.Tensor) else ""
        kind = "tensor" if isinstance(value, torch.Tensor) else "array"
        return f"{kind} of shape {tuple(value.shape)}, {value.dtype}{device}"
    return repr(value)


def _count(value: torch.Tensor | np.ndarray[Any, Any]) -> int:
    return value.numel() if isinstance(value, torch.Tensor) else value.size
