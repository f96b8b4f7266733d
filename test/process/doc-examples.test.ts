import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import * as surface from '#lib/index';
import * as testing from '#lib/testing/index';
import { filesUnder, textOf } from '../architecture/source-tree';
import { expectExample, promised } from '../support/examples';

interface Example {
  /** `contract/tasks, startSoon`. */
  readonly name: string;
  readonly code: string;
}

/** The `@example` blocks in the doc comments of a file, each with the name of what it documents. */
function examplesIn(file: string, text = textOf(file)): Example[] {
  const comments = text.matchAll(/\/\*\*([^]*?)\*\/\s*(?:export |async |class |function )*(\w+)/g);
  return [...comments].flatMap(([, comment = '', name = '']) => {
    const lines = comment.replace(/^ *\* ?/gm, '');
    const blocks = lines.split(/^@example\n/m).slice(1);
    return blocks.map((block) => ({
      name: `${file.slice('lib/'.length, -'.ts'.length)}, ${name}`,
      code: block.split(/^@/m)[0]?.trimEnd() ?? '',
    }));
  });
}

/**
 * The example as a program, with the exports and a backend in scope. The compiler rewrites `await
 * using`, which not every Node.js that runs the tests has.
 */
function programOf(code: string, backend: string): string {
  // In a block of its own, an example may call its variables as the exports are called.
  const source = `
    import { ${Object.keys(surface).join(', ')} } from 'sockscope';
    import { ${Object.keys(testing).join(', ')} } from 'sockscope/testing';
    const backend = newBuiltinBackend('${backend}');
    await (async () => {
      { ${code}
      }
    })();`;
  const { ES2022: target } = ts.ScriptTarget;
  const { ESNext: module } = ts.ModuleKind;
  return ts.transpileModule(source, { compilerOptions: { target, module } }).outputText;
}

const examples = filesUnder('lib', /\.ts$/)
  .filter((file) => !/^lib\/(cli|conformance|backends)\//.test(file))
  .flatMap((file) => examplesIn(file));

describe('examples in doc comments', () => {
  it('are found, and each says what it prints', () => {
    expect(examples.length).toBeGreaterThan(15);
    for (const { name, code } of examples) expect(promised(code), name).not.toEqual([]);
    const planted =
      '/**\n * A.\n *\n * @example\n * f(); // → 1\n * @throws B\n */\nexport function f() {}';
    expect(examplesIn('lib/x.ts', planted)).toEqual([{ name: 'x, f', code: 'f(); // → 1' }]);
  });

  it('an example that prints something else fails', async () => {
    const wrong = 'console.log(1); // → 2';
    await expect(expectExample(wrong, programOf(wrong, 'node'))).rejects.toThrow('to deeply equal');
  });

  describe.each(['native', 'node'])('with the %s backend', (backend) => {
    it.each(examples.map(({ name, code }) => [name, code] as const))(
      '%s prints what it says',
      async (_name, code) => {
        await expectExample(code, programOf(code, backend));
      },
    );
  });
});
