"""Flink SQL as far as we read it: sqlglot's Spark dialect with Flink's words, statements and window functions."""

from operator import itemgetter
from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.dialects.spark import Spark
from sqlglot.tokenizer_core import Token, TokenType

from clickstream.tables.sql.grammar import ExpressionParser, SyntaxProblem
from clickstream.tables.sql.nesting import deep_calls, flattened, too_deep
from clickstream.tables.sql.nodes import (
    ColumnNode,
    CreateTableNode,
    CreateViewNode,
    InsertNode,
    SetNode,
    WatermarkNode,
    WindowTable,
)

WINDOW_FUNCTIONS = ("TUMBLE", "HOP", "CUMULATE", "SESSION")
_STATEMENTS = "Supported are SET, CREATE TABLE, CREATE VIEW, INSERT INTO and EXECUTE STATEMENT SET."
_OPERATORS = frozenset({"(", ")", ",", ".", "*", "+", "-", "/", "%", "=", "<>", "<", "<=", ">", ">=", "||"})
_INSTEAD = {
    "!=": "Write <>",
    "==": "Write =",
    '"': "Names stand in `backticks`, strings in 'quotes'.",
}


class FlinkParser(ExpressionParser):
    """Statements and tables; expressions are those of ExpressionParser."""

    def _parse_statement(self) -> exp.Expr | None:
        if self._match_text_seq("SET"):
            key = self._required(self._parse_string(), "a setting's name in quotes")
            self._expect("=")
            return self.expression(
                SetNode(this=key, expression=self._required(self._parse_string(), "a value in quotes"))
            )
        if self._match_text_seq("INSERT"):
            self._expect("INTO")
            table, columns = self._name(), None
            if self._curr and self._curr.text == "(" and self._next.text.upper() not in ("SELECT", "("):
                self._advance()
                columns = self._names()
            return self.expression(InsertNode(this=table, columns=columns, expression=self._query()))
        if self._match_text_seq("CREATE"):
            self._match_text_seq("TEMPORARY")
            if self._match_text_seq("TABLE"):
                return self._table()
            self._expect("VIEW", "TABLE or VIEW")
            view, columns = self._name(), self._names() if self._match(TokenType.L_PAREN) else None
            self._expect("AS")
            return self.expression(CreateViewNode(this=view, columns=columns, expression=self._query()))
        return self._fail("This statement is not supported.", hint=_STATEMENTS)

    def _query(self) -> exp.Expr:
        query = self._required(self._parse_select(), "SELECT")
        return self._required(self._parse_query_modifiers(self._parse_set_operations(query)), "SELECT")

    def _table(self) -> exp.Expr:
        name = self._name()
        self._expect("(")
        columns: list[ColumnNode] = []
        watermarks: list[WatermarkNode] = []
        keys: list[exp.PrimaryKey] = []
        options: list[exp.EQ] = []
        while True:
            if self._match_text_seq("WATERMARK", "FOR"):
                column = self._name()
                self._expect("AS")
                watermarks.append(self.expression(WatermarkNode(this=column, expression=self._parse_disjunction())))
            elif self._match(TokenType.PRIMARY_KEY):
                keys.append(self._key())
            else:
                columns.append(self._column())
            if not self._match(TokenType.COMMA):
                break
        self._expect(")", "a comma or a closing parenthesis")
        self._expect("WITH")
        self._expect("(")
        while not options or self._match(TokenType.COMMA):
            key = self._required(self._parse_string(), "an option's name in quotes")
            self._expect("=")
            options.append(
                self.expression(exp.EQ(this=key, expression=self._required(self._parse_string(), "a value in quotes")))
            )
        self._expect(")", "a comma or a closing parenthesis")
        return self.expression(
            CreateTableNode(this=name, columns=columns, watermarks=watermarks, keys=keys, options=options)
        )

    def _key(self) -> exp.PrimaryKey:
        start = self._prev
        self._expect("(")
        names = self._names()
        self._expect("NOT", "NOT ENFORCED")
        self._expect("ENFORCED")
        return self._since(start, exp.PrimaryKey(expressions=names))

    def _column(self) -> ColumnNode:
        name = self._name()
        if self._match(TokenType.ALIAS):
            return self.expression(
                ColumnNode(this=name, computed=self._required(self._parse_disjunction(), "an expression"))
            )
        kind = self._type()
        not_null = self._match_text_seq("NOT", "NULL") or False
        metadata, key, virtual = self._match_text_seq("METADATA") or False, None, False
        if metadata:
            key = self._required(self._parse_string(), "a key in quotes") if self._match_text_seq("FROM") else None
            virtual = self._match_text_seq("VIRTUAL") or False
        return self.expression(
            ColumnNode(this=name, kind=kind, not_null=not_null, metadata=metadata, metadata_key=key, virtual=virtual)
        )

    # --- tables in FROM

    def _parse_table(self, *args: Any, **kwargs: Any) -> exp.Expr | None:
        if not (self._curr and self._curr.text.upper() == "TABLE" and self._next.token_type == TokenType.L_PAREN):
            table: exp.Expr | None = super()._parse_table(*args, **kwargs)
            return table
        self._advance(2)
        if not self._match_texts(WINDOW_FUNCTIONS):
            self._fail("Unknown window function.", hint=f"Supported are {', '.join(WINDOW_FUNCTIONS)}.")
        name, intervals = exp.Var(this=self._prev.text.upper()).update_positions(self._prev), []
        self._expect("(")
        self._expect("TABLE", "TABLE and a table's name")
        input, partition = self._name(), None
        if self._match(TokenType.PARTITION_BY):
            # As Calcite has it: one column, or several in parentheses.
            partition = self._names() if self._match(TokenType.L_PAREN) else [self._name()]
        self._expect(",")
        self._expect("DESCRIPTOR")
        self._expect("(")
        descriptor = self._name()
        self._expect(")")
        while self._match(TokenType.COMMA):
            intervals.append(self._required(self._parse_interval(), "an INTERVAL"))
        self._expect(")")
        self._expect(")")
        window = WindowTable(this=input, name=name, partition=partition, descriptor=descriptor, intervals=intervals)
        window.set("alias", self._parse_table_alias(alias_tokens=self.TABLE_ALIAS_TOKENS))
        return self.expression(window)


class Flink(Spark):
    """Flink SQL, as sqlglot reads it: Spark's dialect but for what differs."""

    IDENTIFIERS_CAN_START_WITH_DIGIT = False

    class Tokenizer(Spark.Tokenizer):
        QUOTES: ClassVar[list[Any]] = ["'"]
        IDENTIFIERS: ClassVar[list[Any]] = ["`"]
        STRING_ESCAPES: ClassVar[list[str]] = ["'"]
        NUMERIC_LITERALS: ClassVar[dict[str, str]] = {}
        HEX_STRINGS: ClassVar[list[Any]] = []
        RAW_STRINGS: ClassVar[list[Any]] = []
        COMMENTS: ClassVar[list[Any]] = ["--", ("/*", "*/")]
        COMMANDS: ClassVar[set[TokenType]] = set()

    Parser = FlinkParser


def parse(text: str) -> exp.Expr:
    """One statement's tree; positions are in `meta` as offsets into `text`. Raises SyntaxProblem."""
    dialect = Flink()
    found = dialect.tokenize(text)
    for token in found:
        odd = token.token_type not in _WORDLIKE and not token.text[:1].isalpha() and token.text[:1] != "_"
        if odd and token.text not in _OPERATORS:
            hint = _INSTEAD.get(token.text, "Operators are + - * / % || = <> < <= > >=")
            raise SyntaxProblem(f"{token.text} is not supported.", token.start, token.end + 1, hint)
        if token.token_type == TokenType.UNKNOWN:
            raise SyntaxProblem("UNKNOWN is not supported.", token.start, token.end + 1, "Write IS NULL.")
    # Before the parser sees it: to sqlglot some words mean more than statements.
    if not found or found[0].text.upper() not in ("SET", "CREATE", "INSERT"):
        word = found[0].text.upper() if found else "Nothing"
        raise SyntaxProblem(f"{word} is not supported here.", 0, found[0].end + 1 if found else 1, _STATEMENTS)
    try:
        with deep_calls():
            (tree,) = dialect.parser(error_level=None).parse(found, text)
    except RecursionError:
        deepest = _deepest(found)
        raise too_deep(deepest.start, deepest.end + 1) from None
    assert isinstance(tree, exp.Expr)
    return flattened(_plain(tree))


def _deepest(tokens: list[Token]) -> Token:
    """The token with the most that is open before it."""
    depth, found = 0, (0, tokens[0])
    for token in tokens:
        depth += {"(": 1, "CASE": 1, ")": -1, "END": -1}.get(token.text.upper(), 0)
        found = max(found, (depth, token), key=itemgetter(0))
    return found[1]


def _plain(tree: exp.Expr) -> exp.Expr:
    """NOT LIKE as NOT (... LIKE ...), as the other negations are."""
    for like in list(tree.find_all(exp.Like)):
        if like.args.get("negate"):
            like.set("negate", None)
            # ESCAPE stands around its LIKE.
            condition = like.parent if isinstance(like.parent, exp.Escape) else like
            negation = exp.Not()
            condition.replace(negation)
            negation.set("this", condition)
            negation.meta.update(condition.meta)
    return tree


_WORDLIKE = {TokenType.STRING, TokenType.NUMBER, TokenType.IDENTIFIER, TokenType.VAR}
