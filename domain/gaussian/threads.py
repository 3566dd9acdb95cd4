"""Linear algebra on one thread."""

from functools import cache


@cache
def single_threaded() -> None:
    """Has BLAS use one thread from now on, whatever it was set to.

    On matrices of some hundred rows its threads only wait for each other, and one adds up alike on any number of
    cores. For good, since each change of their number makes them spin: a suggestion took 0.3 s instead of 0.05 s.
    """
    import scipy.linalg  # noqa: F401 - what is not loaded yet cannot be told
    from threadpoolctl import ThreadpoolController

    ThreadpoolController().limit(limits=1, user_api="blas")
