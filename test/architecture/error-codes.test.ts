import { describe, expect, it } from 'vitest';
import ts from 'typescript';
import { filesUnder, parse, textOf, walk } from './source-tree';

/**
 * Every code that lib/ gives an error or a warning of its own, with the class of the error if there
 * is one. Codes of system errors are the kernel's and are not listed, even where lib/ makes such an
 * error before any system call.
 */
function codesIn(file: string, text = textOf(file)): Map<string, string> {
  const codes = new Map<string, string>();
  walk(parse(file, text), (node) => {
    // readonly code = 'X', and { code: 'X' } for Object.assign(new TypeError(), ...)
    if (
      !(ts.isPropertyDeclaration(node) || ts.isPropertyAssignment(node)) ||
      node.name.getText() !== 'code'
    )
      return;
    const value =
      node.initializer && ts.isAsExpression(node.initializer)
        ? node.initializer.expression
        : node.initializer;
    if (value === undefined || !ts.isStringLiteral(value)) return;
    const owner = ts.isClassDeclaration(node.parent) ? (node.parent.name?.text ?? '') : '';
    if (owner !== '' || /^(ERR|SOCKSCOPE)_/.test(value.text)) codes.set(value.text, owner);
  });
  return codes;
}

/** The part of README under a heading of the second level. */
function section(title: string): string {
  return textOf('README.md').split(`\n## ${title}\n`)[1]?.split(/^## /m)[0] ?? '';
}

const lib = filesUnder('lib', /\.ts$/);
const inCode = new Map(lib.flatMap((file) => [...codesIn(file)]));
/** The rows of README's tables: | `CODE` | `Class` | when | */
const inReadme = new Map(
  [...section('Errors').matchAll(/^\| `(\w+)` \| `(\w+)` \|/gm)].map((row) => [
    row[1] ?? '',
    row[2] ?? '',
  ]),
);

describe('error codes', () => {
  it("are exactly those in README's list", () => {
    expect(inCode.size).toBeGreaterThan(5);
    expect([...inReadme.keys()].sort()).toEqual([...inCode.keys()].sort());
  });

  it('belong to the class that README names', () => {
    for (const [code, owner] of inCode)
      if (owner !== '') expect(inReadme.get(code), code).toBe(owner);
  });

  it('belong to the classes of errors.ts, one to each', () => {
    const classes: string[] = [];
    walk(parse('lib/errors.ts'), (node) => {
      if (ts.isClassDeclaration(node) && node.name !== undefined) classes.push(node.name.text);
    });
    expect([...codesIn('lib/errors.ts').values()].filter(Boolean).sort()).toEqual(classes.sort());
  });

  it('are found in every notation', () => {
    const text =
      "class A extends Error { readonly code = 'A'; } f({ code: 'ERR_B' }); f({ code: 'ERR_C' as const }); f({ code: 'ENOENT' });";
    expect([...codesIn('x.ts', text)]).toEqual([
      ['A', 'A'],
      ['ERR_B', ''],
      ['ERR_C', ''],
    ]);
  });
});

describe('environment variables', () => {
  it("are exactly those in README's list", () => {
    const read = lib.flatMap((file) =>
      [...textOf(file).matchAll(/process\.env(?:\.|\[')(SOCKSCOPE_\w+)/g)].map(
        (match) => match[1] ?? '',
      ),
    );
    const listed = [...section('Environment variables').matchAll(/^\| `(\w+)/gm)].map(
      (match) => match[1] ?? '',
    );
    expect([...new Set(read)].sort()).toEqual(listed.sort());
  });
});
