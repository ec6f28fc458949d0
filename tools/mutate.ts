/**
 * Small faults for a source text, one at a time: what a slip of the hand, or of the head, could have
 * left there. Tests that pass all the same have not looked at that place.
 *
 * @module
 */

import { parse } from "@babel/parser";

/** One fault: the text from `start` to `end` becomes `after`. */
export interface Mutant {
  /** What kind of fault it is. */
  readonly operator: string;
  /** Line, from 1 on. */
  readonly line: number;
  /** Column, from 1 on. */
  readonly column: number;
  /** First character that is replaced. */
  readonly start: number;
  /** End, exclusive. */
  readonly end: number;
  /** What takes its place. */
  readonly after: string;
}

/** A node of the syntax tree, as far as this file looks into it. */
interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly loc: { readonly start: { readonly line: number; readonly column: number } };
  // deno-lint-ignore no-explicit-any -- the fields of a node depend on its type
  readonly [field: string]: any;
}

/** Where a node stands. */
interface Place {
  readonly node: Node;
  readonly parent: Node | null;
  /** Field of the parent. */
  readonly field: string;
  /** Whether it is text for people: a message of an error, or a line of the log. */
  readonly isProse: boolean;
}

type Emit = (operator: string, node: Pick<Node, "start" | "end">, after: string) => void;

/** Longer lists of values lose only this many of their elements, one at a time. */
const MAX_ELEMENTS = 12;

/** The other side of each operator: the edge of a relation, or the reverse. */
const OPPOSITE: Readonly<Record<string, string>> = {
  "<": "<=",
  "<=": "<",
  ">": ">=",
  ">=": ">",
  "===": "!==",
  "!==": "===",
  "+": "-",
  "-": "+",
  "*": "/",
  "/": "*",
  "%": "*",
  "&": "|",
  "|": "&",
  "<<": ">>",
  ">>>": "<<",
  "+=": "-=",
  "-=": "+=",
  "/=": "*=",
  "??=": "=",
  "&&=": "=",
};

/** Methods that a slip may take for each other, and those that it may forget (null). */
const METHODS: Readonly<Record<string, string | null>> = {
  min: "max",
  max: "min",
  some: "every",
  every: "some",
  startsWith: "includes",
  endsWith: "includes",
  catch: null,
  filter: null,
  finally: null,
  normalize: null,
  replace: null,
  replaceAll: null,
  slice: null,
  sort: null,
  subarray: null,
  toLowerCase: null,
  toSorted: null,
  toUpperCase: null,
  trim: null,
};

/** All faults that a text of TypeScript can get, in the order of their places. */
export function mutantsOf(source: string): Mutant[] {
  const mutants: Mutant[] = [];
  const lines = lineStarts(source);
  const emit: Emit = (operator, { start, end }, after) => {
    if (source.slice(start, end) === after) return;
    const line = lines.findLastIndex((first) => first <= start);
    mutants.push({ operator, line: line + 1, column: start - lines[line] + 1, start, end, after });
  };
  const { program } = parse(source, {
    sourceType: "module",
    plugins: ["typescript"],
    createParenthesizedExpressions: true, // so that the text of an operand has its parentheses
  });
  const text = (node: Node) => source.slice(node.start, node.end);
  for (const place of places(program as unknown as Node)) {
    const make = MAKERS[place.node.type];
    make?.(place, emit, text);
  }
  return mutants.sort((a, b) => a.start - b.start || a.end - b.end);
}

/** The text with the fault in it. */
export function applyMutant(source: string, { start, end, after }: Mutant): string {
  return source.slice(0, start) + after + source.slice(end);
}

function lineStarts(source: string) {
  return [0, ...[...source.matchAll(/\n/g)].map(({ index }) => index + 1)];
}

/** Every node that does something at run time. */
function* places(root: Node): Generator<Place> {
  const pending: Place[] = [{ node: root, parent: null, field: "", isProse: false }];
  for (let place = pending.pop(); place; place = pending.pop()) {
    const { node } = place;
    if (isSilent(node)) continue;
    yield place;
    const isProse = place.isProse || saysSomething(node);
    for (const [field, value] of Object.entries(node)) {
      for (const child of Array.isArray(value) ? value : [value]) {
        if (typeof child?.type !== "string" || field.endsWith("Comments")) continue;
        pending.push({ node: child, parent: node, field, isProse });
      }
    }
  }
}

/** Types, and the names of modules: what is no more at run time, or would only fail to load. */
function isSilent({ type, importKind, declare }: Node) {
  const isType = type.startsWith("TS") && !/^TS(?:As|NonNull|Satisfies)/.test(type);
  return isType || type === "ImportDeclaration" || type === "ExportAllDeclaration" ||
    importKind === "type" || declare === true;
}

/** Errors that are thrown, and calls of the log: a test should not hold every word of them. */
function saysSomething(node: Node) {
  if (node.type === "NewExpression") return /Error$|^DOMException$/.test(node.callee.name ?? "");
  return node.type === "CallExpression" && node.callee.object?.name === "log";
}

type Maker = (place: Place, emit: Emit, text: (node: Node) => string) => void;

const MAKERS: Readonly<Record<string, Maker>> = {
  IfStatement: mutateCondition,
  ConditionalExpression: mutateCondition,
  WhileStatement: ({ node }, emit) => emit("condition is false", node.test, "false"),
  ForStatement: ({ node }, emit) => node.test && emit("condition is false", node.test, "false"),
  LogicalExpression({ node }, emit, text) {
    emit(`right side of ${node.operator} dropped`, node as Node, text(node.left));
    emit(`left side of ${node.operator} dropped`, node as Node, text(node.right));
  },
  BinaryExpression: mutateBinary,
  AssignmentExpression({ node }, emit, text) {
    const opposite = OPPOSITE[node.operator];
    if (!opposite) return;
    emit("operator", node, `${text(node.left)} ${opposite} ${text(node.right)}`);
  },
  UpdateExpression({ node }, emit, text) {
    const operator = node.operator === "++" ? "--" : "++";
    const name = text(node.argument);
    emit("operator", node, node.prefix ? operator + name : name + operator);
  },
  UnaryExpression({ node }, emit, text) {
    if (node.operator === "!" || node.operator === "-") {
      emit(`${node.operator} dropped`, node, text(node.argument));
    }
  },
  AwaitExpression: ({ node }, emit, text) => emit("await dropped", node, text(node.argument)),
  ExpressionStatement({ node }, emit) {
    if (node.expression.type !== "StringLiteral") emit("statement dropped", node, ";");
  },
  TryStatement({ node }, emit, text) {
    if (node.handler) emit("catch dropped", node.handler, "catch (e) { throw e; }");
    if (node.finalizer && !node.handler) emit("finally dropped", node, text(node.block));
    else if (node.finalizer) emit("finally dropped", node.finalizer, "{}");
  },
  CallExpression: mutateCall,
  OptionalCallExpression: mutateCall,
  NewExpression: dropLastArgument,
  OptionalMemberExpression({ node }, emit, text) {
    if (!node.optional || node.computed) return;
    emit("?. becomes .", node, `${text(node.object)}.${text(node.property)}`);
  },
  ArrayExpression({ node }, emit, text) {
    const elements: Node[] = node.elements.filter((element: Node | null) => element !== null);
    elements.slice(0, MAX_ELEMENTS).forEach((_, i) => {
      const others = elements.filter((_, j) => j !== i).map(text);
      emit("element dropped", node, `[${others.join(", ")}]`);
    });
  },
  ObjectExpression({ node, isProse }, emit, text) {
    const properties: Node[] = isProse ? [] : node.properties;
    properties.forEach((property, i) => {
      if (property.type === "ObjectMethod") return;
      const others = properties.filter((_, j) => j !== i).map(text);
      emit("property dropped", node, `({ ${others.join(", ")} })`);
    });
  },
  StringLiteral: mutateString,
  TemplateLiteral({ node, isProse, parent }, emit) {
    if (!isProse && parent?.type !== "TaggedTemplateExpression") emit("text emptied", node, '""');
  },
  NumericLiteral({ node, isProse, field }, emit) {
    if (!isProse && field !== "key") emit("number", node, String(node.value + 1));
  },
  BooleanLiteral: ({ node }, emit) => emit("boolean", node, String(!node.value)),
  RegExpLiteral({ node }, emit) {
    const { pattern, flags } = node;
    if (pattern.startsWith("^")) emit("^ dropped", node, `/${pattern.slice(1)}/${flags}`);
    if (/[^\\]\$$/.test(pattern)) emit("$ dropped", node, `/${pattern.slice(0, -1)}/${flags}`);
    if (flags !== "") emit("flag dropped", node, `/${pattern}/${flags.slice(1)}`);
  },
};

function mutateCondition({ node }: Place, emit: Emit, text: (node: Node) => string) {
  emit("condition is true", node.test, "true");
  emit("condition is false", node.test, "false");
  const { type, operator } = node.test;
  const isNegated = type === "UnaryExpression" || /^[!=]==$/.test(operator); // by another fault
  if (!isNegated) emit("condition negated", node.test, `!(${text(node.test)})`);
}

function mutateBinary({ node, parent }: Place, emit: Emit, text: (node: Node) => string) {
  const { operator } = node;
  const [left, right] = [text(node.left), text(node.right)];
  const isText = [node.left, node.right].some(({ type }) => /^(?:String|Template)L/.test(type));
  const opposite = isText && operator === "+" ? undefined : OPPOSITE[operator];
  if (opposite) emit("operator", node, `${left} ${opposite} ${right}`);
  if (operator === "-" && parent?.type === "ArrowFunctionExpression") {
    emit("order reversed", node, `${right} - ${left}`);
  }
  const isName = operator === "===" && node.right.type === "StringLiteral";
  if (isName && node.right.value !== "" && node.left.operator !== "typeof") {
    emit("equal becomes prefix", node, `(${left})?.startsWith(${right})`);
  }
}

function mutateCall(place: Place, emit: Emit, text: (node: Node) => string) {
  const { node: { callee }, node } = place;
  dropLastArgument(place, emit);
  const name: string = callee.property?.name ?? "";
  if (!callee.type.endsWith("MemberExpression") || !Object.hasOwn(METHODS, name)) return;
  const other = METHODS[name];
  if (other === null) emit(`.${name}() dropped`, node, text(callee.object));
  else emit("method", callee.property, other);
}

function dropLastArgument({ node, isProse }: Place, emit: Emit) {
  const list: Node[] = node.arguments;
  const last = list.at(-1);
  if (!last || isProse || saysSomething(node)) return;
  const start = list.length > 1 ? list[list.length - 2].end : last.start;
  emit("argument dropped", { start, end: node.end - 1 }, "");
}

function mutateString({ node, parent, field, isProse }: Place, emit: Emit) {
  const isKey = field === "key" || parent?.type === "ImportAttribute" || field === "source";
  if (isProse || isKey || parent?.type === "ExpressionStatement") return;
  emit("text emptied", node, node.value === "" ? '"x"' : '""');
}
