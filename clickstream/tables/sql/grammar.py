"""Flink's expressions, types and intervals, read by sqlglot's parser; problems with their place.

Functions are kept as they were written (`Anonymous`): sqlglot's own rewriting follows Spark's meaning, not
Flink's. What an expression means, and whether it is supported, is decided by `expressions`.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar, NoReturn, TypeVar

from sqlglot import exp
from sqlglot.errors import ParseError
from sqlglot.parsers.spark import SparkParser
from sqlglot.tokenizer_core import Token, TokenType

from clickstream.tables.sql.types import BY_NAME, MAP_NAME, SUPPORTED, Type

Node = TypeVar("Node", bound=exp.Expr)
T = TypeVar("T")

_CONSTANTS = {"DATE": Type.DATE, "TIMESTAMP": Type.TIMESTAMP}
_UNIT_MS = {"SECOND": 1000, "MINUTE": 60_000, "HOUR": 3_600_000, "DAY": 86_400_000}


class SyntaxProblem(ParseError):
    """`text[start:end]` of the parsed text cannot be read."""

    def __init__(self, message: str, start: int, end: int, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.start, self.end, self.hint = message, start, end, hint


class ExpressionParser(SparkParser):
    """sqlglot's parser with Flink's expressions."""

    FUNCTIONS: ClassVar[dict[str, Any]] = {}
    NO_PAREN_FUNCTIONS: ClassVar[dict[Any, Any]] = {}
    NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
        name: SparkParser.NO_PAREN_FUNCTION_PARSERS[name] for name in ("CASE",)
    }
    FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
        "CAST": lambda self: self._flink_cast(exp.Cast),
        "TRY_CAST": lambda self: self._flink_cast(exp.TryCast),
        "EXTRACT": lambda self: self._extract(),
        "TRIM": lambda self: self._trim(),
        "TIMESTAMPADD": lambda self: self._with_unit("TIMESTAMPADD"),
        "TIMESTAMPDIFF": lambda self: self._with_unit("TIMESTAMPDIFF"),
        "POSITION": lambda self: self._position(),
        "CEIL": lambda self: self._rounded("CEIL"),
        "FLOOR": lambda self: self._rounded("FLOOR"),
    }

    def _parse_type(self, parse_interval: bool = True, fallback_to_identifier: bool = False) -> exp.Expr | None:
        kind = _CONSTANTS.get(self._curr.text.upper()) if self._curr else None
        if kind is not None and self._next.token_type == TokenType.STRING:
            self._advance()
            return self._constant(kind)
        if parse_interval and (interval := self._parse_interval()):
            return interval
        found: exp.Expr | None = self._parse_id_var() if fallback_to_identifier else self._parse_column()
        return found

    def _constant(self, kind: Type) -> exp.Expr:
        token, text = self._curr, self._required(self._parse_string(), "a text")
        form = r"\d{4}-\d\d-\d\d" if kind == Type.DATE else r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,3})?"
        try:
            datetime.fromisoformat(text.name if re.fullmatch(form, text.name) else "")
        except ValueError:
            example = "2023-11-14" if kind == Type.DATE else "2023-11-14 22:12:25"
            self._fail(f"'{text.name}' is no {kind.value.partition('(')[0]}.", token, f"For example '{example}'.")
        return self.expression(exp.Cast(this=text, to=kind.node()))

    def _parse_version(self) -> exp.Version | None:
        if not self._match_text_seq("FOR", "SYSTEM_TIME"):
            return None
        self._expect("AS")
        self._expect("OF")
        time = self._required(self._parse_column(), "the stream's time")
        return self.expression(exp.Version(this="TIMESTAMP", kind="AS OF", expression=time))

    def _parse_with(self, *args: Any, **kwargs: Any) -> None:
        if self._curr and self._curr.token_type == TokenType.WITH:
            self._fail("WITH is not supported.", hint="Use CREATE TEMPORARY VIEW.")
        if self._curr and self._curr.token_type == TokenType.FROM:
            self._fail("SELECT is expected before FROM.")

    def _parse_function_call(self, *args: Any, **kwargs: Any) -> exp.Expr | None:
        start = self._curr
        made: exp.Expr | None = super()._parse_function_call(*args, **kwargs)
        return self._since(start, made) if made is not None and start else made

    def _parse_join(self, *args: Any, **kwargs: Any) -> exp.Join | None:
        start = self._curr
        made: exp.Join | None = super()._parse_join(*args, **kwargs)
        return self._since(start, made) if made is not None and start else made

    def _parse_interval(self, *args: Any, **kwargs: Any) -> exp.Interval | None:
        if not (self._curr and self._curr.text.upper() == "INTERVAL" and self._next.token_type == TokenType.STRING):
            return None
        start = self._curr
        self._advance()
        text = self._required(self._parse_string(), "a number in quotes").name
        unit = self._curr.text.upper().removesuffix("S") if self._curr else ""
        if unit not in _UNIT_MS:
            self._fail("An interval's unit is expected.", hint="Supported are SECOND, MINUTE, HOUR and DAY.")
        self._advance()
        digits, places = 2, 3
        if self._match(TokenType.L_PAREN):
            digits = int(self._required(self._parse_number(), "a number of digits").name)
            if unit == "SECOND" and self._match(TokenType.COMMA):
                places = int(self._required(self._parse_number(), "a number of decimal places").name)
            self._expect(")", "a closing parenthesis")
        whole, _, fraction = text.removeprefix("-").partition(".")
        if not whole.isdecimal() or (fraction and (unit != "SECOND" or not fraction.isdecimal() or len(fraction) > 3)):
            self._fail(f"'{text}' is no number of {unit.lower()}s.", start, hint="For example INTERVAL '30' SECOND")
        if len(whole.lstrip("0")) > digits:
            hint = f"Write INTERVAL '{text}' {unit}({len(whole)}): Flink reads 2 digits unless told how many."
            self._fail(f"'{text}' has more than {digits} digits.", start, hint=hint)
        if len(fraction) > places:
            self._fail(
                f"'{text}' has more than {places} decimal places.", start, hint="Flink reads no more than is said."
            )
        value = int(whole) * _UNIT_MS[unit] + (int(fraction.ljust(3, "0")) if fraction else 0)
        # Not Literal.number: that makes a negative one an expression of its own.
        signed = exp.Literal(this=str(-value if text.startswith("-") else value), is_string=False)
        return self._since(start, exp.Interval(this=signed, unit=exp.Var(this="MILLISECOND")))

    def _type(self) -> exp.DataType:
        start, name = self._curr, (self._curr.text.upper() if self._curr else "")
        self._advance()
        if name == "MAP" and self._match(TokenType.LT):
            inner = [self._advance_text() for _ in range(3)]
            name = MAP_NAME if [*inner, self._advance_text()] == ["STRING", ",", "BYTES", ">"] else name
        elif name == "DOUBLE":
            self._match_text_seq("PRECISION")
        elif self._match(TokenType.L_PAREN):
            sizes = [self._advance_text()]
            while self._match(TokenType.COMMA):
                sizes.append(self._advance_text())
            name += f"({', '.join(sizes)})"
            self._expect(")")
        if name not in BY_NAME:
            hint = "TIMESTAMP without a precision is TIMESTAMP(6) in Flink. " if name.startswith("TIMESTAMP") else ""
            self._fail(f"The type {name} is not supported.", start, hint=f"{hint}Supported are {', '.join(SUPPORTED)}.")
        return BY_NAME[name].node()

    def _flink_cast(self, node: type[exp.Cast]) -> exp.Expr:
        this = self._required(self._parse_disjunction(), "an expression")
        self._expect("AS")
        return self.expression(node(this=this, to=self._type()))

    def _extract(self) -> exp.Expr:
        unit = self._unit()
        self._expect("FROM")
        return self.expression(exp.Anonymous(this="EXTRACT", expressions=[unit, self._parse_disjunction()]))

    def _position(self) -> exp.Expr:
        part = self._required(self._parse_bitwise(), "a string")
        self._expect("IN")
        return self.expression(exp.Anonymous(this="POSITION", expressions=[part, self._parse_bitwise()]))

    def _rounded(self, name: str) -> exp.Expr:
        args = [self._required(self._parse_disjunction(), "an expression")]
        if self._match_text_seq("TO"):
            args.append(self._unit())
        return self.expression(exp.Anonymous(this=name, expressions=args))

    def _with_unit(self, name: str) -> exp.Expr:
        unit = self._unit()
        self._expect(",")
        return self.expression(exp.Anonymous(this=name, expressions=[unit, *self._parse_csv(self._parse_disjunction)]))

    def _trim(self) -> exp.Expr:
        position = self._prev.text.upper() if self._match_texts(("BOTH", "LEADING", "TRAILING")) else "BOTH"
        this, characters = self._required(self._parse_disjunction(), "a string"), None
        if self._match(TokenType.FROM):
            this, characters = self._required(self._parse_disjunction(), "a string"), this
        return self.expression(exp.Trim(this=this, expression=characters, position=position))

    def _unit(self) -> exp.Expr:
        self._advance()
        return exp.Var(this=self._prev.text.upper()).update_positions(self._prev)

    # --- small parts

    def _parse_csv(self, parse_method: Callable[[], T | None], sep: TokenType = TokenType.COMMA) -> list[T]:
        items = [parse_method()]
        while self._match(sep):
            items.append(self._required(parse_method(), "another one after the comma"))
        return [item for item in items if item is not None]

    def _name(self) -> exp.Expr:
        if self._curr and self._curr.token_type in (TokenType.STRING, TokenType.NUMBER):
            self._fail("A name is expected.")
        name = self._required(self._parse_id_var(any_token=True), "a name")
        if self._curr and self._curr.token_type == TokenType.DOT:
            self._fail("Names of databases and catalogs are not supported.", hint="Tables and views have plain names.")
        return name

    def _names(self) -> list[exp.Expr]:
        names = self._parse_csv(self._name)
        self._expect(")")
        return names

    def _since(self, start: Token, node: Node) -> Node:
        """The node, which stands from `start` to here."""
        node.meta["start"], node.meta["end"] = start.start, self._prev.end
        return node

    def _advance(self, times: int = 1) -> None:
        if times > 0 and 0 <= self._tokens_size <= self._index:
            self._fail("The statement ends too early.")
        super()._advance(times)

    def _advance_text(self) -> str:
        self._advance()
        return str(self._prev.text.upper())

    def _expect(self, text: str, what: str = "") -> None:
        if not (self._curr and self._curr.token_type != TokenType.STRING and self._curr.text.upper() == text):
            self._required(None, what or text)
        self._advance()

    def _required(self, node: T | None, what: str) -> T:
        if node is None:
            where = f" before {self._curr.text}" if self._curr else " at the end"
            self._fail(f"{what[:1].upper()}{what[1:]} is expected{where}.")
        return node

    def expression(self, instance: Node, token: Token | None = None, comments: list[str] | None = None) -> Node:
        """As sqlglot's; notes where in the text the node stands."""
        made = super().expression(instance, token, comments)
        if "start" not in made.meta and self._prev:
            made.meta["start"], made.meta["end"] = self._prev.start, self._prev.end
        return made

    def raise_error(self, message: str, token: Any = None) -> None:
        """As sqlglot's, in words for people. Raises as _fail."""
        at = token or self._curr
        if message.startswith("Required keyword"):
            message = "Something is missing here."
        elif at and ("Unexpected token" in message or message.startswith(("Expecting", "Expected"))):
            message = f"{at.text} is not expected here."
        self._fail(message, token)

    def _fail(self, message: str, token: Any = None, hint: str = "") -> NoReturn:
        at = token or self._curr
        if at:
            raise SyntaxProblem(message, at.start, at.end + 1, hint)
        raise SyntaxProblem(
            message, self._prev.end if self._prev else 0, (self._prev.end if self._prev else 0) + 1, hint
        )
