"""Whatever stands in a file, it is read or refused in words."""

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduler_site import yaml_files
from scheduler_site.declared import document
from scheduler_site.declared.shapes import SECTIONS

FIELDS = sorted({str(name) for shape in SECTIONS.values() for name in shape().fields})
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["cpu", "month", "a", "1"]),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=8,
)
ROWS = st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6) | VALUES
FILES = st.dictionaries(st.sampled_from([*SECTIONS, "other"]), st.lists(ROWS, max_size=3) | VALUES, max_size=3)
once = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


def told(read):
    """What it was refused with; nothing if it was not."""
    try:
        read()
    except (document.Refused, yaml_files.YamlError) as refused:
        return str(refused)
    return None


@once
@given(FILES)
def test_a_file_of_any_values_is_read_or_refused(tmp_path, values):
    path = tmp_path / "setup.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    words = told(lambda: document.read(path))
    assert words is None or words.startswith(f"{path}:")


@once
@given(st.text(st.sampled_from("ab:-[]{}&*!?|>'\"#%@0123 \n\t._~<"), max_size=40))
def test_any_text_is_yaml_or_refused(tmp_path, text):
    path = tmp_path / "any.yaml"
    path.write_text(text, encoding="utf-8")
    for kind in (yaml_files.Texts, yaml_files.Values):
        words = told(lambda kind=kind: yaml_files.read(path, kind))
        assert words is None or words.startswith(f"{path}:")


@pytest.mark.parametrize(
    "value", ["!!int many", "9" * 5_000, "0b_", "!!python/object/apply:os.getcwd []", "!!timestamp x", "!!binary ä"]
)
def test_a_value_that_is_none_is_refused(tmp_path, value):
    path = tmp_path / "any.yaml"
    path.write_text(f"a: {value}\n", encoding="utf-8")
    with pytest.raises(yaml_files.YamlError):
        yaml_files.read(path, yaml_files.Values)
