"""What a bridge of Slurm is told, and what it refuses by the option's name."""

import pytest

from executors.slurm.options import WORDS, read_options


@pytest.fixture(autouse=True)
def no_settings(settings):
    settings.EXECUTOR_SLURM_REST_API_URL = settings.EXECUTOR_SLURM_AUTH_TOKEN = settings.SLURM_ACCOUNT_PREFIX = ""


def test_what_is_not_given_comes_from_settings(settings, tmp_path):
    settings.EXECUTOR_SLURM_REST_API_URL, settings.EXECUTOR_SLURM_AUTH_TOKEN = "http://head:6820", "secret"
    settings.SLURM_ACCOUNT_PREFIX = "ty-"
    options = read_options("tarn", {"partition": "gpu", "shared": str(tmp_path), "qos": "{project}-{queue}"})
    assert (options.url, options.token()(), options.shared) == ("http://head:6820", "secret", tmp_path / "tarn")
    assert (options.account_of("vision"), options.qos_of("vision", "night")) == ("ty-vision", "vision-night")
    assert "secret" not in repr(options)


def test_a_token_in_a_file_is_read_each_time(tmp_path):
    path = tmp_path / "token"
    path.write_text("one\n")
    words = {"partition": "gpu", "shared": str(tmp_path), "url": "https://head", "token_file": str(path)}
    token = read_options("tarn", words).token()
    assert token() == "one"
    path.write_text("two\n")
    assert token() == "two"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"partition": ""}, "partition: it must be given"),
        ({"shared": ""}, "shared: it must be given"),
        ({"shared": "relative"}, "shared: 'relative' is no folder with a full path"),
        ({"shared": "/no/such/folder"}, "shared: '/no/such/folder' is no folder"),
        ({"url": "head:6820"}, "url: 'head:6820' does not begin with http"),
        ({"url": "http://head"}, "token_file: slurmrestd wants a token"),
        ({"token_file": "/no/such/file"}, "token_file: there is no file"),
        ({"poll_seconds": "soon"}, "poll_seconds: 'soon' is no number of seconds"),
        ({"poll_seconds": "0"}, "poll_seconds: '0' is no number of seconds"),
        ({"poll_seconds": "nan"}, "poll_seconds: 'nan' is no number of seconds"),
        ({"colour": "red"}, "colour: there is no such option"),
        ({"help": ""}, "These are the options"),
    ],
)
def test_what_will_not_do_is_refused_by_its_name(given, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        read_options("tarn", {"partition": "gpu", "shared": str(tmp_path), **given})


def test_each_option_is_explained_on_its_page():
    with open("docs/engines-slurm.md", encoding="utf-8") as page:  # noqa: PTH123
        text = page.read()
    assert [name for name in WORDS if f"| `{name}` |" not in text] == []
