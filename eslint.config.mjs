import eslint from '@eslint/js';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

/**
 * House rules that no stock set holds.
 * @type {import('eslint').Linter.RulesRecord}
 */
const house = {
  'no-warning-comments': [
    'error',
    { terms: ['todo', 'fixme', 'xxx', 'hack'], location: 'anywhere' },
  ],
  'no-restricted-syntax': [
    'error',
    {
      selector: 'CatchClause > BlockStatement[body.length=0]',
      message: 'A swallowed error: handle it, or catch only the one that is expected.',
    },
    {
      selector:
        'TSInterfaceDeclaration > Identifier.id[name=/^I(?!Lock$|Event$|Condition$)[A-Z][a-z]/]',
      message: 'No I- prefix.',
    },
  ],
  eqeqeq: 'error',
  'no-console': 'off',
};

export default defineConfig(
  { ignores: ['dist/', 'build/', 'build-*/', 'coverage/', 'prebuilds/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  eslint.configs.recommended,
  {
    files: ['**/*.ts', '**/*.mts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: {
        project: ['tsconfig.json', 'test/tsconfig.json'],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      ...house,
      // `async` without `await` turns a throw into a rejection, which is what an async method owes
      // its caller.
      '@typescript-eslint/require-await': 'off',
      // Numbers print as themselves.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // `() => list.push(x)` as a callback says what it does.
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true },
      ],
      // What a user's function threw is passed on as it is, whatever it is.
      '@typescript-eslint/only-throw-error': [
        'error',
        { allowThrowingUnknown: true, allowThrowingAny: true },
      ],
      '@typescript-eslint/prefer-promise-reject-errors': [
        'error',
        { allowThrowingUnknown: true, allowThrowingAny: true },
      ],
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: 'only-allowed-literals' },
      ],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'all' },
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
      // A walk up a tree begins with `let node = this`.
      '@typescript-eslint/no-this-alias': 'off',
      // `perform<void>(...)` is a generic call like any other.
      '@typescript-eslint/no-invalid-void-type': 'off',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
    },
  },
  {
    files: ['test/**', 'lib/conformance/**'],
    rules: {
      // A test hands over methods, throws what no program should, prints what it got, and knows
      // what its own arrays hold.
      '@typescript-eslint/no-base-to-string': 'off',
      '@typescript-eslint/no-meaningless-void-operator': 'off',
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/only-throw-error': 'off',
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
  {
    // These values are there for their types, and what must not compile has none.
    files: ['test/types/**'],
    rules: {
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/consistent-type-imports': 'off',
      '@typescript-eslint/no-meaningless-void-operator': 'off',
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      '@typescript-eslint/no-unused-vars': 'off',
    },
  },
  {
    files: ['**/*.mjs', '**/*.cjs', '**/*.js'],
    rules: {
      ...house,
      'no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
    },
    languageOptions: {
      globals: Object.fromEntries(
        // What Node gives every module; anything else is imported.
        'AbortController AbortSignal Buffer clearImmediate clearInterval clearTimeout console fetch gc global globalThis performance process queueMicrotask setImmediate setInterval setTimeout structuredClone SharedArrayBuffer Atomics TextDecoder TextEncoder URL WebAssembly'
          .split(' ')
          .map((name) => [name, 'readonly']),
      ),
    },
  },
  {
    files: ['**/*.cjs'],
    languageOptions: {
      globals: {
        __dirname: 'readonly',
        __filename: 'readonly',
        exports: 'writable',
        module: 'writable',
        require: 'readonly',
      },
    },
  },
);
