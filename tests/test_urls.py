"""URLs as people may see them."""

from __future__ import annotations

import pytest

from optuna_ofa._urls import raise_about, shown_storage, shown_url, without_secrets


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///a.db",
        "sqlite:////home/me/my study/a.db",
        "sqlite:///C:/runs/a.db",
        "postgresql://host/nas",
        "postgresql+psycopg://db.example.org:5432/nas",
        "postgresql://[::1]:5432/nas",
        "mysql+pymysql://host:3306/nas",
        "sqlite:///file:a.db?mode=ro&uri=true",
        "mysql+pymysql://host/nas?charset=utf8mb4",
        "study.db",
    ],
)
def test_a_url_without_secrets_is_shown_whole(url: str) -> None:
    assert shown_url(url) == url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+psycopg://me:secret@host/a", "postgresql+psycopg://***@host/a"),
        ("mysql://us&er:se\ncret@host/a", "mysql://***@host/a"),
        ("postgresql://host/a?user=me&password=secret", "postgresql://host/a?***&***"),
        ("mssql+pyodbc:///?odbc_connect=PWD%3Dsecret", "mssql+pyodbc:///?***"),
        ("postgresql://me:se@cret@host/a", "postgresql://***"),
        ("postgresql://me:1/2?x@host/a", "postgresql://***"),
        ("postgresql://me:secret", "postgresql://***"),
        ("postgresql://host/a#secret", "postgresql://***"),
        ("postgresql+other://host/a", "postgresql://***"),
        ("postgresql:/me:secret@host/a", "postgresql:***"),
        ("sqlite:///me:secret@host/a", "sqlite://***"),
        ("jdbc:postgresql://host/a?password=secret", "jdbc:***"),
        ("me:secret@host/a", "***"),
        ("host=h password=secret dbname=a", "***"),
        ("unknown://host/a", "***"),
        ("mysql://host/a?timeout=5&x=secret", "mysql://host/a?timeout=5&***"),
    ],
)
def test_what_may_be_a_secret_is_not(url: str, shown: str) -> None:
    assert shown_url(url) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "None"), (7, "7"), (b"secret", "a bytes"), (["secret"], "a list"), ("secret", "'***'")],
)
def test_of_other_values_the_type_is_shown(value: object, shown: str) -> None:
    assert shown_storage(value) == shown


def test_what_a_driver_says_is_shown_without_the_hidden_parts() -> None:
    url = "postgresql://me:s3cret@host/nas?service=pa%2520ss%0Aword"
    said = "host: no service 'pa ss\\nword' for user me (S3CRET), in nas"
    assert without_secrets(said, url) == "host: no *** '*** ***\\n***' for user *** (***), in nas"


def raised(url: str) -> ValueError:
    """What is raised about an error that says the secret of a URL."""
    try:
        raise KeyError("s3cret")
    except KeyError as error:
        with pytest.raises(ValueError, match="ours") as caught:
            raise_about(ValueError("ours"), error, url)
    return caught.value


def test_an_error_about_a_hidden_part_has_no_cause() -> None:
    error = raised("mysql://me:s3cret@host/a")
    assert error.__cause__ is error.__context__ is None


def test_another_error_has_its_cause() -> None:
    assert isinstance(raised("sqlite:///a.db").__cause__, KeyError)
