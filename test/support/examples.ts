import { expect } from 'vitest';
import { runCode } from './child';

/** The output that an example documents: the comments that begin with an arrow, in order. */
export function promised(code: string): string[] {
  return [...code.matchAll(/\/\/ → (.*)$/gm)].map(([, line = '']) => line);
}

/**
 * Runs an example as an ES module of its own process, and compares its output with its
 * comments. `program` is the whole text to run if the example is only a part of it.
 */
export async function expectExample(code: string, program = code): Promise<void> {
  const { stdout, stderr, code: status } = await runCode(program);
  expect({ status, stderr, lines: stdout.trimEnd().split('\n') }).toEqual({
    status: 0,
    stderr: '',
    lines: promised(code),
  });
}
