import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import * as surface from '#lib/index';
import { filesUnder, parse, walk } from '../architecture/source-tree';
import { runCode } from '../support/child';

/** The `@example`s of the doc comments in lib/: JavaScript in a task of `backend`. */
function examples(): { readonly title: string; readonly code: string }[] {
  const found: { title: string; code: string }[] = [];
  for (const file of filesUnder('lib', /\.ts$/)) {
    walk(parse(file), (node) => {
      // A comment belongs to each node that begins at it: of these, the declaration has a name.
      const { name } = node as ts.Node & { readonly name?: ts.Node };
      if (name === undefined || ts.isParameter(node)) return;
      for (const { tagName, comment } of ts.getJSDocTags(node)) {
        if (tagName.text === 'example')
          found.push({
            title: `${name.getText()} in ${file}`,
            code: ts.getTextOfJSDocComment(comment) ?? '',
          });
      }
    });
  }
  return found;
}

/** What an example says that it prints: the comments that begin with an arrow, in order. */
const promised = (code: string): string[] =>
  [...code.matchAll(/\/\/ → (.*)$/gm)].map(([, line = '']) => line);

/** `await using` is newer than some Node.js that runs the tests: the compiler rewrites it. */
function programOf(code: string): string {
  const source = `
    import { ${Object.keys(surface).join(', ')} } from 'sockscope';
    const backend = newBuiltinBackend('node');
    await backend.bootstrap(async () => {
      ${code}
    });`;
  const { ES2022: target } = ts.ScriptTarget;
  const { ESNext: module } = ts.ModuleKind;
  return ts.transpileModule(source, { compilerOptions: { target, module } }).outputText;
}

describe('examples in doc comments', () => {
  const all = examples();

  it('exist, and say what they print', () => {
    expect(all.length).toBeGreaterThan(5);
    expect(all.filter(({ code }) => promised(code).length === 0)).toEqual([]);
  });

  it.each(all)('$title prints what it says', async ({ code }) => {
    const { stdout, stderr, code: status } = await runCode(programOf(code));
    expect({ status, stderr, lines: stdout.trimEnd().split('\n') }).toEqual({
      status: 0,
      stderr: '',
      lines: promised(code),
    });
  });
});
