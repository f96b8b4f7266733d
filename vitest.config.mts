import { defineConfig } from 'vitest/config';

export default defineConfig({
  // The tests run what users run: the compiled output, loaded by Node itself.
  resolve: { alias: [{ find: /^#lib\/(.+)$/, replacement: `${import.meta.dirname}/dist/$1.js` }] },
  test: {
    include: ['test/**/*.test.ts'],
    // A fork per file: a native crash ends one file's process, not the run, and execArgv may hold
    // --expose-gc.
    pool: 'forks',
    execArgv: ['--expose-gc'],
    server: { deps: { external: [/\/dist\//, /\.node$/] } },
    testTimeout: 20_000,
    reporters: ['default', './test/support/summary-reporter.ts'],
  },
});
