"""Storage URLs that are safe to show: without passwords, tokens and possible secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn
from urllib.parse import unquote, unquote_plus

HIDDEN = "***"
_DIALECT = (
    "sqlite|postgresql|postgres|mysql|mariadb|oracle|mssql|cockroachdb|duckdb|redis|rediss|libsql|"
    "mongodb|http|https|file|jdbc|odbc"
)
_DRIVER = (
    "psycopg|psycopg2|asyncpg|pg8000|pymysql|mysqldb|mysqlconnector|mariadbconnector|aiomysql|"
    "asyncmy|pyodbc|pymssql|oracledb|cx_oracle|pysqlite|aiosqlite|pysqlcipher|libsql"
)
# names of drivers' arguments, which are not secret in their messages
_NAMES = re.compile(
    "user|username|password|passwd|pwd|host|hostname|port|dbname|database|db|options?|passfile|"
    "sslmode|sslpassword|auth_token|charset|timeout|driver|server|uid|dsn|name"
)
_SCHEME = re.compile(rf"({_DIALECT})(\+(?:{_DRIVER})(?=:))?(\+[^:]*)?:(//)?")
_SERVER = re.compile(
    r"(?P<user>[^@/?#]*@)?"
    r"(?P<host>(?:[\w.-]+|\[[\da-fA-F:.]+\])?(?::\d{1,5})?(?:/[\w.-]*)?)"
    r"(?P<query>\?[^#@]*)?"
)
_FILE = re.compile(
    r"(?P<user>[^@/?#]*@)?"
    r"(?P<host>(?:/(?:(?:file:)?:memory:|(?:file:|[A-Za-z]:)?[\w .,~()+/\\-]*))?)"
    r"(?P<query>\?[^#@]*)?"
)
_HARMLESS = re.compile(
    r"uri=true|mode=(ro|rw|rwc|memory)|cache=(shared|private)|check_same_thread=(true|false)|"
    r"charset=utf8(mb4)?|(connect_)?timeout=\d{1,4}|"
    r"sslmode=(disable|allow|prefer|require|verify-ca|verify-full)"
)
_FILE_NAME = re.compile(r"[\w ./\\-]+\.(?:db|sqlite3?|log)")


def shown_url(url: str) -> str:
    """Return a URL that is safe to show: what is not known to be harmless becomes ``***``.

    The scheme, the host, the name or path of the database and a few options are shown; the user,
    the password and the rest of the query are not. If a text is not clearly a URL, for example has
    ``@`` in the password, only the scheme is shown; without a known scheme, nothing is.
    """
    if not url or _FILE_NAME.fullmatch(url):
        return url
    scheme = _SCHEME.match(url)
    if scheme is None:
        return HIDDEN
    dialect, driver, unknown, slashes = scheme.groups()
    start = f"{dialect}{driver or ''}:{slashes or ''}"
    form = _FILE if dialect == "sqlite" else _SERVER
    rest = form.fullmatch(url, scheme.end())
    if rest is None or unknown or not slashes:
        return f"{start}{HIDDEN}"
    user = f"{HIDDEN}@" if rest["user"] else ""
    return f"{start}{user}{rest['host']}{_shown_query(rest['query'] or '')}"


def _shown_query(query: str) -> str:
    entries = query[1:].split("&")
    shown = [entry if _HARMLESS.fullmatch(entry) else HIDDEN for entry in entries]
    return f"?{'&'.join(shown)}" if query else ""


def shown_storage(value: object) -> str:
    """Return a value given as a storage, safe to show: a URL as above, else a number or a type."""
    if isinstance(value, str):
        return repr(shown_url(value))
    plain = value is None or isinstance(value, bool | int | float)
    return repr(value) if plain else f"a {type(value).__name__}"


def without_secrets(text: str, url: str | None) -> str:
    """Return a message of a database or its driver, without the hidden parts of its URL."""
    if url is None:
        return text
    known = {word.lower() for word in _words(shown_url(url))}
    words = {word for word in map(str.lower, _words(url)) if not _NAMES.fullmatch(word)}
    for word in sorted(words - known, key=len, reverse=True):
        whole = re.escape(word) if len(word) > 3 else rf"(?<!\w){re.escape(word)}(?!\w)"
        text = re.sub(whole, HIDDEN, text, flags=re.IGNORECASE)
    return text


def _words(url: str) -> Iterator[str]:
    """Yield the words of a URL, decoded as many times as a driver may decode them."""
    for decode in (unquote, unquote_plus):
        text, decoded = "", url
        while decoded != text:
            text, decoded = decoded, decode(decoded)
            yield from re.findall(r"\w\w+", text)


def raise_about(error: Exception, cause: BaseException, url: str | None) -> NoReturn:
    """Raise an error from its cause, or without it if a part of the URL is hidden.

    The messages of causes come from drivers, which may repeat any part of a URL.
    """
    if url is None or shown_url(url) == url:
        raise error from cause
    with _without_context(error):
        raise error from None


@contextmanager
def _without_context(error: Exception) -> Iterator[None]:
    try:
        yield
    finally:
        error.__context__ = None
