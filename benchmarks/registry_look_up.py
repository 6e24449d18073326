"""What a look-up costs among few names and among many."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks import harness

LOOK_UPS = 10_000


def _among(number: int) -> harness.Factory:
    def make() -> Callable[[], object]:
        from engine_registry import Registry

        registry = Registry[object]("number", scope="benchmark")
        for index in range(number):
            registry.register_module(name=f"name{index}", module=object)
        middle = f"name{number // 2}"

        def work() -> None:
            for _ in range(LOOK_UPS):
                registry.get(middle)

        return work

    return make


if __name__ == "__main__":
    raise SystemExit(
        harness.main(
            "Looking a name up",
            {f"{number} names": _among(number) for number in (100, 10_000, 100_000)},
            reference="100 names",
            units=LOOK_UPS,
            at_most={"10000 names": 1.3, "100000 names": 1.3},
        )
    )
