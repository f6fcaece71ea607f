// biome-ignore-all lint/suspicious/noTemplateCurlyInString: compose variables look like template strings
/** The texts whose variables record-compose.mjs has replaced by the real `docker compose`, in values and in .env files. */

export const ENVIRONMENT = { SET: "value", EMPTY: "", DOLLAR: "a$b", BRACE: "x}y" };

export const INTERPOLATION_TEXTS = [
  ...["plain", "$SET", "${SET}", "a${SET}b$SET.c", "$SET-x", "$SETx", "$UNSET", "${UNSET}", "$_", "$set", "${Set}"],
  // a dollar that begins nothing
  ...["$", "a$", "$.", "$ x", "$1", "$1x", "$-", "$(date)", "$(a b) $(c)", "^(x)?$", "$'x'", '$"x"', "$é", "$@", "$?"],
  ...["$!", "$#", "$*", "$=", "$/", "$}", "$]", "}$", "a$\nb", "\\$SET", "$\\{SET}", "$ {SET}"],
  // escapes
  ...["$$", "$$$", "$$$$", "$$SET", "$$$SET", "$${SET}", "$${", "$${}", "$$1", "a$$b", "$$(date)", "$SET$$", "$$$1"],
  // malformed braces
  ...["${}", "${ }", "${", "a${", "${1}", "${1x}", "${SET", "${SET b", "${SET }", "${ SET}", "${SET!x}", "${SET.b}"],
  ...["${a.b}", "${-x}", "${:-x}", "${SET:}", "${SET:x}", "${SET/a/b}", "${#SET}", "${!SET}", "${SET[0]}", "${é}"],
  ...["${}${SET}", "${SET}${", "${SET}${}", "{SET}", "{}", "$SET}", "${SET}}", "${{SET}}", "${{ SET }}", "${$SET}"],
  // defaults
  ...["${UNSET-d}", "${UNSET:-d}", "${EMPTY-d}", "${EMPTY:-d}", "${SET-d}", "${SET:-d}", "${UNSET-}", "${UNSET:-}"],
  ...[
    "${UNSET:-a b}",
    "${UNSET:-http://h:80/?q=1}",
    "${UNSET:-a-b}",
    "${UNSET-a:-b}",
    "${UNSET:-a?b}",
    "${UNSET:-a+b}",
  ],
  ...["${UNSET:-$SET}", "${UNSET:-${SET}}", "${UNSET:-${EMPTY:-x}}", "${UNSET:-${EMPTY}}", "${UNSET:-a${SET}b}"],
  ...["${UNSET:-${EMPTY:-${SET}}}", "${UNSET:-${EMPTY:-x}}${SET:-y}", "${UNSET:-${A:-${B:-${C:-deep}}}}"],
  ...["${UNSET:-x}${UNSET:-y}", "${UNSET:-x}-${SET}", "${UNSET:-x} $SET", "${UNSET:-x}}", "${UNSET:-}}", "${SET:-x}}"],
  ...[
    "${UNSET:-$}",
    "${UNSET:-$$}",
    "${UNSET:-a$$b}",
    "${UNSET:-a$}",
    "${UNSET:-$1}",
    "${UNSET:-$(date)}",
    "${SET:-$}",
  ],
  ...[
    "${UNSET:-{}}",
    "${UNSET:-{x}}",
    "${SET:-{x}}",
    "${SET:-{}}",
    "${UNSET:-{x}}}",
    "${UNSET:-{x}y}",
    "${UNSET:-[x]}",
  ],
  ...['${UNSET:-{"a":1}}', '${UNSET:-{"a":{"b":1}}}', '${SET:-{"a":{"b":1}}}', "${UNSET:-{}${SET}", "${UNSET:-{{x}}}"],
  ...["${UNSET:-${SET}", "${UNSET:-${}}", "${UNSET:-${1}}", "${UNSET:-${SET!}}", "${SET:-${}}", "${SET:-${1}}"],
  ...["${UNSET:-a\nb}", "${UNSET:-a}\n${SET}", "${UNSET:-\n}", "${SET:-a\nb}", "${UNSET:-a\n}", "a\n$SET\n${UNSET:-x}"],
  ...["${UNSET:-'x'}", '${UNSET:-"x"}', "${UNSET:-\\}}", "${UNSET:- x }", "${UNSET:-é}", "${UNSET:-$SET$EMPTY}"],
  // replacements
  ...["${SET+r}", "${SET:+r}", "${EMPTY+r}", "${EMPTY:+r}", "${UNSET+r}", "${UNSET:+r}", "${SET:+}", "${SET:+$SET}"],
  ...[
    "${SET:+${SET}-${UNSET:-x}}",
    "${SET:+a}${UNSET:+b}c",
    "${UNSET:+${}}",
    "${SET:+${}}",
    "${SET+a-b}",
    "${SET+a:-b}",
  ],
  // required
  ...["${SET?e}", "${SET:?e}", "${EMPTY?e}", "${EMPTY:?e}", "${UNSET?e}", "${UNSET:?e}", "${UNSET?}", "${UNSET:?}"],
  ...["${UNSET:?see ${SET}}", "${SET:?see ${UNSET}}", "${UNSET:?a b c}", "${EMPTY:?a-b}", "${UNSET:-${EMPTY:?deep}}"],
  ...["${SET:-${UNSET:?e}}", "${SET+${UNSET:?e}}", "${UNSET+${UNSET:?e}}", "${SET?${UNSET:?e}}", "${SET:-$UNSET}"],
  // what a variable holds is not replaced again
  ...["$DOLLAR", "${DOLLAR}", "${UNSET:-$DOLLAR}", "$BRACE", "${BRACE}", "${UNSET:-$BRACE}", "${UNSET:-${BRACE}}"],
];

const dotenv = (text, ...names) => ({ text, names });

export const DOTENV_TEXTS = [
  ...["A=1\n", "A=1", "A=\n", "A= \n", "A", "A\n", "A=b c\n", "A = 1\n", "  A=1\n", "A\t=\t1\n", "A:1\n", "A: 1\n"].map(
    (text) => dotenv(text, "A"),
  ),
  ...[
    "A: 'x'\n",
    "A=1 # c\n",
    "A=1#c\n",
    "A=1\t# c\n",
    "A= # c\n",
    "A=# c\n",
    "A=#c\n",
    "A='1' # c\n",
    'A="1"#c\n',
  ].map((text) => dotenv(text, "A")),
  ...[
    "A='$SET'\n",
    "A='a\\'b'\n",
    "A='a\\nb'\n",
    "A='a\nb'\n",
    'A="a\nb"\n',
    'A="a\\nb"\n',
    'A="a\\tb\\\\c\\"d"\n',
  ].map((text) => dotenv(text, "A")),
  ...[
    'A="\\$SET"\n',
    'A="$SET"\n',
    'A="${SET}x"\n',
    "A=$SET\n",
    "A=${SET}\n",
    "A=${UNSET:-d}\n",
    "A=$$\n",
    "A=$$SET\n",
  ].map((text) => dotenv(text, "A")),
  ...["A=$\n", "A=a$\n", "A=$1\n", "A=$(date)\n", "A=^(x)?$\n", "A=$.\n", 'A="$"\n', 'A="$(date)"\n', "A=${}\n"].map(
    (text) => dotenv(text, "A"),
  ),
  ...["A=${1x}\n", "A=${SET\n", "A=${\n", 'A="${"\n', "A='${'\n", "A=${UNSET?e}\n", "A=${UNSET:-${SET}}\n"].map(
    (text) => dotenv(text, "A"),
  ),
  ...['A="\\x41"\n', 'A="\\0101"\n', 'A="\\a"\n', 'A="\\q"\n', "A=a\\nb\n", 'A=a"b"c\n', "A='a'b\n", "A=it's\n"].map(
    (text) => dotenv(text, "A"),
  ),
  ...["export A=1\n", "export  A=1\n", "  export A=1\n", "export A\n", "exportA=1\n"].map((text) => dotenv(text, "A")),
  dotenv("A=1\nB=$A\n", "A", "B"),
  dotenv("A=1\nA=2\nB=$A\n", "A", "B"),
  dotenv("SET=own\nB=$SET\n", "SET", "B"),
  dotenv("EMPTY=own\nB=$EMPTY\n", "EMPTY", "B"),
  dotenv("B=$A\nA=1\n", "A", "B"),
  dotenv("SET\nA=$SET\n", "SET", "A"),
  dotenv("A='x' B=2\n", "A", "B"),
  dotenv('A="x"B=2\n', "A", "B"),
  dotenv("# c\n\nA=1\n # d\nB=2\n", "A", "B"),
  dotenv("A=1\r\nB=2\r\n", "A", "B"),
  dotenv("A=1\r\n\r\n# c\r\nB=2\r\n", "A", "B"),
  dotenv("\uFEFFA=1\nB=2\n", "A", "B"),
  dotenv("A=1\n\n\n\nB=2", "A", "B"),
  dotenv("A=b=c\nB==x\n", "A", "B"),
  dotenv("A.B=1\nA-C=2\nD=3\n", "D"),
  dotenv("A[0]=1\nD=3\n", "D"),
  dotenv("é=1\nD=3\n", "D"),
  dotenv("1A=1\nD=3\n", "D"),
  ...["A B=1\n", "A!=1\n", "!A=1\n", "A B\n", "=1\n", "A=1\n=2\n", "A='x\n", 'A="x\nB=2\n', "A$=1\n", "a+b=1\n"].map(
    (text) => dotenv(text, "A"),
  ),
];
