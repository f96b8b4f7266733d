import { defineConfig } from 'vitest/config';

/** Runs under the poll reactor only: the other project has the same suites under its own reactor. */
const POLL_ONLY = 'test/conformance/native-poll.test.ts';

export default defineConfig({
  // The tests run what users run: the compiled output, loaded by Node itself.
  resolve: { alias: [{ find: /^#lib\/(.+)$/, replacement: `${import.meta.dirname}/dist/$1.js` }] },
  test: {
    // A fork per file: a native crash ends one file's process, not the run, and execArgv may hold
    // --expose-gc.
    pool: 'forks',
    execArgv: ['--expose-gc'],
    server: { deps: { external: [/\/dist\//, /\.node$/] } },
    testTimeout: 20_000,
    setupFiles:
      process.env['NODE_V8_COVERAGE'] === undefined ? [] : ['./test/support/coverage-end.ts'],
    reporters: ['default', './test/support/summary-reporter.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'default',
          // Not by `exclude`, which would replace the one of the command line.
          include: ['test/**/*.test.ts', `!${POLL_ONLY}`],
        },
      },
      {
        // The reactor of systems without epoll, on Linux too: what waits runs once more with it.
        extends: true,
        test: {
          name: 'poll',
          env: { SOCKSCOPE_REACTOR: 'poll' },
          include: [
            POLL_ONLY,
            'test/native/reactor.test.ts',
            'test/unit/socket/{datagram-batch,datagram-io,descriptor,io-operation}.test.ts',
            'test/unit/socket/{leaks,message,readiness,socket,socket-data,stream-io}.test.ts',
            'test/unit/backends/native/{accept,datagram-listener}.test.ts',
            'test/integration/*.test.ts',
            'test/process/{native-teardown,native-backend-workers}.test.ts',
            'test/process/socket-workers.test.ts',
          ],
        },
      },
    ],
  },
});
