#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeError } from './describe-error';
import { echo } from './echo';
import { UsageError } from './endpoint';
import { info } from './info';
import { relay } from './relay';

const HELP = `Usage: sockscope COMMAND [ARGUMENTS]

Raw sockets, zero-copy I/O and structured concurrency for Node.js servers.

Commands:
  info                   print which binary is loaded, and what this platform can do
  echo ENDPOINT...       serve echo until a signal, with live counters
  relay LISTEN CONNECT   relay bytes between two endpoints, half-close included

Options:
  -h, --help             this help; COMMAND --help has the options of a command
  -v, --version          the version
`;

/** Each command receives its arguments, and resolves to the exit status. */
const COMMANDS: Readonly<Record<string, (args: string[]) => Promise<number>>> = {
  info,
  echo,
  relay,
};

async function main([command, ...args]: string[]): Promise<number> {
  if (command === undefined || command === '-h' || command === '--help' || command === 'help') {
    (command === undefined ? process.stderr : process.stdout).write(HELP);
    return command === undefined ? 2 : 0;
  }
  if (command === '-v' || command === '--version') {
    const { version } = JSON.parse(
      readFileSync(join(__dirname, '..', '..', 'package.json'), 'utf8'),
    ) as { version: string };
    process.stdout.write(`${version}\n`);
    return 0;
  }
  const run = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
  if (run === undefined)
    throw new UsageError(`unknown command "${command}"; use ${Object.keys(COMMANDS).join(', ')}`);
  return run(args);
}

function report(error: unknown): number {
  const { code } = error as { code?: string };
  if (error instanceof UsageError || code?.startsWith('ERR_PARSE_ARGS') === true) {
    process.stderr.write(`sockscope: ${(error as Error).message}\nTry: sockscope --help\n`);
    return 2;
  }
  process.stderr.write(`sockscope: ${describeError(error)}\n`);
  return 1;
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // EPIPE: the reader of standard output has ended, as in `| head`. A command that needs the reader
  // learns it from its own write.
  if (error.code !== 'EPIPE') throw error;
});

main(process.argv.slice(2)).then(
  (status) => {
    process.exitCode = status;
  },
  (error: unknown) => {
    process.exitCode = report(error);
  },
);
