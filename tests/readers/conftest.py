import pytest

from engines import ENGINES, started
from lake import MODES, WATERLINE, Lake


@pytest.fixture(scope="session", autouse=True)
def program():
    assert WATERLINE.is_file(), f"{WATERLINE} is not there; build it, or name another one in WATERLINE"


@pytest.fixture(scope="session")
def lakes(tmp_path_factory):
    """The TPC-C lake of each mode, made when it is first asked for."""
    made = {}

    def lake(mode: str) -> Lake:
        if mode not in made:
            made[mode] = Lake.of_tpcc(tmp_path_factory.mktemp(mode), MODES[mode])
        return made[mode]

    return lake


@pytest.fixture(scope="session", params=ENGINES)
def engine(request, tmp_path_factory):
    with started(ENGINES, request.param, tmp_path_factory.mktemp("engine")) as engine:
        yield engine


def pytest_generate_tests(metafunc):
    if "mode" in metafunc.fixturenames:
        metafunc.parametrize("mode", MODES)


def pytest_collection_modifyitems(items):
    """An engine is not asked for formats that it does not know."""
    items[:] = [item for item in items if _can_read(item)]


def _can_read(item) -> bool:
    parameters = getattr(item, "callspec", None)
    engine, mode = (parameters.params.get(name) if parameters else None for name in ("engine", "mode"))
    return engine is None or mode is None or mode[:2] in ENGINES[engine].formats
