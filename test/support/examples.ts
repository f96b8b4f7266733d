import { expect } from 'vitest';
import { runCode } from './child';

/** What an example says that it prints: the comments that begin with an arrow, in their order. */
export function promised(code: string): string[] {
  return [...code.matchAll(/\/\/ → (.*)$/gm)].map(([, line = '']) => line);
}

/**
 * Runs an example as an ES module of its own process, and compares what it prints with what it
 * says. `program` is the whole text to run, where that is more than the example.
 */
export async function expectExample(code: string, program = code): Promise<void> {
  const { stdout, stderr, code: status } = await runCode(program);
  expect({ status, stderr, lines: stdout.trimEnd().split('\n') }).toEqual({
    status: 0,
    stderr: '',
    lines: promised(code),
  });
}
