import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import ts from 'typescript';
import { packageRoot } from '../support/child';
import { filesUnder, importsOf, parse, resolveInLib, textOf, walk } from './source-tree';

/**
 * The parts of lib/, each with the parts below it that it may import. A part may always import
 * itself. `concurrency` and `socket` do not import each other: both wait through `waiting`, and
 * only a backend joins them. The two backends do not import each other either.
 */
const ground = ['errors', 'errno', 'debug', 'arguments', 'contract'];
const wait = ['waiting', ...ground];
const layers: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  errno: [],
  debug: [],
  // Interfaces only, as a test below asserts: nothing depends on this part at run time.
  contract: ['errors'],
  arguments: ['contract', 'errors', 'errno'],
  binding: ground,
  waiting: ground,
  concurrency: wait,
  socket: ['binding', ...wait],
  threads: ['concurrency', ...wait],
  // The classes that fit every backend. Of `socket`, only the types of attributes.
  transports: ['socket', ...wait],
  // The policy over a backend's driver: resolving, racing, binding, serving.
  networking: ['transports', 'threads', 'concurrency', ...wait],
  'backends/native': [
    'networking',
    'transports',
    'threads',
    'socket',
    'binding',
    'concurrency',
    ...wait,
  ],
  'backends/node': ['networking', 'transports', 'threads', 'concurrency', ...wait],
  // The choice of a backend: only the entries import this part.
  'backends/builtin': ['backends/native', 'backends/node', 'threads', 'concurrency', ...wait],
  // Entries.
  testing: ['concurrency', ...wait],
  conformance: ['networking', 'transports', 'threads', 'concurrency', ...wait],
  index: [
    'backends/builtin',
    'networking',
    'transports',
    'threads',
    'socket',
    'concurrency',
    ...wait,
  ],
  // A program like that of any user: the public surface must have all that it needs.
  cli: ['index'],
};

const files = filesUnder('lib', /\.ts$/);
/** `lib/socket/address` belongs to the part `socket`, `lib/errors.ts` to `errors`. */
const partOf = (path: string): string =>
  /^lib\/(backends\/[\w-]+|[\w-]+)/.exec(path)?.[1] ?? 'outside';
const edgesOf = (
  file: string,
  text?: string,
): { readonly target: string; readonly typeOnly: boolean }[] =>
  importsOf(file, text)
    .filter(({ specifier }) => specifier.startsWith('.'))
    .map(({ specifier, typeOnly }) => ({ target: resolveInLib(file, specifier), typeOnly }));

function misdirected(file: string, text?: string): string[] {
  const from = partOf(file);
  return edgesOf(file, text)
    .filter(({ target }) => {
      const to = partOf(target);
      return to !== from && layers[from]?.includes(to) !== true;
    })
    .map(({ target }) => `${file} -> ${target}`);
}

/** Known circles that are still to be broken, each as the sorted list of its files. */
const knownCircles: readonly (readonly string[])[] = [
  ['lib/cli/relay', 'lib/cli/stdio-stream'],
  ['lib/contract/backend', 'lib/contract/listeners', 'lib/contract/transports'],
  ['lib/contract/scopes', 'lib/contract/tasks'],
  ['lib/socket/descriptor', 'lib/socket/io-operation', 'lib/socket/reactor'],
];

type Graph = ReadonlyMap<string, ReturnType<typeof edgesOf>>;

/** What each file of lib/ imports, by paths without extension. */
const importGraph = (): Graph =>
  new Map(files.map((file) => [file.replace(/\.ts$/, ''), edgesOf(file)]));

/** Groups of files in which each file reaches every other file through imports. */
function circlesOf(graph: Graph): string[][] {
  const reachable = new Map<string, ReadonlySet<string>>();
  for (const file of graph.keys()) {
    const seen = new Set<string>();
    const open = [file];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      for (const { target } of graph.get(next) ?? []) {
        if (seen.has(target)) continue;
        seen.add(target);
        open.push(target);
      }
    }
    reachable.set(file, seen);
  }
  const circles = new Map<string, string[]>();
  for (const [file, reached] of reachable) {
    const members = [...reached].filter((other) => reachable.get(other)?.has(file) === true).sort();
    // A group of one file is a circle only if the file imports itself.
    if (members.length > 1) circles.set(members.join(), members);
  }
  return [...circles.values()].sort();
}

describe('layers of lib/', () => {
  it('the table has every part', () => {
    expect(files.length).toBeGreaterThan(5);
    expect(files.filter((file) => !(partOf(file) in layers))).toEqual([]);
  });

  it('the table has no circle above the lowest parts', () => {
    const above = (part: string): readonly string[] =>
      (layers[part] ?? []).filter((below) => !ground.includes(below));
    const reaches = (part: string, seen: readonly string[] = []): void => {
      expect(seen).not.toContain(part);
      for (const below of above(part)) reaches(below, [...seen, part]);
    };
    for (const part of Object.keys(layers)) reaches(part);
  });

  it('every file imports only parts that the table allows', () => {
    expect(files.flatMap((file) => misdirected(file))).toEqual([]);
  });

  it('finds a forbidden import in every notation', () => {
    for (const line of [
      "import { Socket } from '../socket/socket';",
      "import type { Socket } from '../socket/socket';",
      "export * from '../socket';",
      "const a = import('../socket/socket');",
      "const a = require('../socket/socket');",
      "let a: import('../socket/socket').Socket;",
      "import a = require('../socket/socket');",
    ]) {
      expect(misdirected('lib/concurrency/lock.ts', line), line).toHaveLength(1);
    }
    expect(
      misdirected(
        'lib/concurrency/lock.ts',
        "import { a } from '../waiting/a'; import { b } from './b'; import 'node:net';",
      ),
    ).toEqual([]);
    expect(
      misdirected(
        'lib/cli/main.ts',
        "import { a } from '../socket/socket'; import { b } from '../index'; import { c } from '..';",
      ),
    ).toHaveLength(1);
  });

  it('the contract has interfaces only, and imports only itself, errors and types of Node', () => {
    const contract = files.filter((file) => partOf(file) === 'contract');
    expect(contract.length).toBeGreaterThan(5);
    for (const module of contract) {
      const code = parse(module).statements.filter(
        (statement) =>
          !ts.isInterfaceDeclaration(statement) &&
          !ts.isTypeAliasDeclaration(statement) &&
          !isTypeOnlyImport(statement),
      );
      expect(code.map((statement) => statement.getText())).toEqual([]);
    }
    const planted = (text: string): boolean =>
      parse('lib/contract/planted.ts', text).statements.every(isTypeOnlyImport);
    expect(planted("import type { A } from '../errors';")).toBe(true);
    expect(planted("import { A } from '../errors';")).toBe(false);
  });

  it('no files import each other in a circle, types included', () => {
    expect(circlesOf(importGraph())).toEqual(knownCircles);
  });

  it('finds a circle of imports, a type import among them', () => {
    const graph = new Map([
      ...importGraph(),
      ['lib/planted/a', edgesOf('lib/planted/a.ts', "import { b } from './b';")],
      ['lib/planted/b', edgesOf('lib/planted/b.ts', "import type { C } from './c';")],
      [
        'lib/planted/c',
        edgesOf('lib/planted/c.ts', "import { a } from './a'; import { b } from './b';"),
      ],
      ['lib/planted/d', edgesOf('lib/planted/d.ts', "import { a } from './a';")],
    ]);
    expect(circlesOf(graph)).toContainEqual(['lib/planted/a', 'lib/planted/b', 'lib/planted/c']);
    expect(circlesOf(graph)).toHaveLength(knownCircles.length + 1);
  });

  it('only the entries import a backend', () => {
    const importers = (part: string): string[] =>
      Object.keys(layers).filter((from) => layers[from]?.includes(part) === true);
    expect(importers('backends/native')).toEqual(['backends/builtin']);
    expect(importers('backends/node')).toEqual(['backends/builtin']);
    expect(importers('backends/builtin')).toEqual(['index']);
  });
});

function isTypeOnlyImport(statement: ts.Statement): boolean {
  return (
    ts.isImportDeclaration(statement) &&
    statement.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword
  );
}

describe('single doors', () => {
  it('only binding.ts touches the addon', () => {
    const touching = files.filter((file) =>
      /node-gyp-build|process\.dlopen|\.node['"`]/.test(textOf(file)),
    );
    expect(touching.filter((file) => file !== 'lib/binding.ts')).toEqual([]);
  });

  it('each runtime dependency is imported in one place', () => {
    const places: Readonly<Record<string, string>> = {
      'node-gyp-build': 'binding',
      piscina: 'threads',
    };
    const strays = files.flatMap((file) =>
      importsOf(file).flatMap(({ specifier }) =>
        /^(\.|node:)/.test(specifier) || places[specifier] === partOf(file)
          ? []
          : [`${file} -> ${specifier}`],
      ),
    );
    expect(strays).toEqual([]);
    const { dependencies } = JSON.parse(textOf('package.json')) as {
      dependencies: Record<string, string>;
    };
    // The headers that native/ is compiled with.
    const compiledWith = ['node-addon-api'];
    expect(Object.keys(dependencies).sort()).toEqual(
      [...compiledWith, ...Object.keys(places)].sort(),
    );
  });

  it('only errors.ts turns an errno into an error', () => {
    const making = files.filter((file) => file !== 'lib/errors.ts' && makesErrno(file));
    expect(making).toEqual([]);
    expect(makesErrno('lib/x.ts', 'const error = new Error(); error.errno = -1;')).toBe(true);
    expect(makesErrno('lib/x.ts', 'Object.assign(new Error(), { errno: -1 })')).toBe(true);
    expect(makesErrno('lib/x.ts', 'interface A { errno: number } if (a.errno === -1) f();')).toBe(
      false,
    );
  });

  it('index.ts re-exports by name, and does nothing else', () => {
    const doing = parse('lib/index.ts').statements.filter(
      (statement) =>
        !(
          ts.isExportDeclaration(statement) &&
          statement.moduleSpecifier !== undefined &&
          statement.exportClause !== undefined
        ),
    );
    expect(doing.map((statement) => statement.getText())).toEqual([]);
  });

  it('examples and benchmarks use the public surface', () => {
    // This benchmark measures the addon's own functions, which are not public.
    const files = ['examples', 'bench']
      .flatMap((folder) => filesUnder(folder, /\.[cm]?[jt]s$/))
      .filter((file) => !file.startsWith('bench/native/'));
    const inside = files
      .flatMap((file) => importsOf(file).map(({ specifier }) => `${file} -> ${specifier}`))
      .filter((edge) => /-> .*\b(lib|dist|build)\//.test(edge));
    expect(inside).toEqual([]);
  });
});

function makesErrno(file: string, text = textOf(file)): boolean {
  let makes = /getSystemErrorMap/.test(text);
  walk(parse(file, text), (node) => {
    makes ||= ts.isPropertyAssignment(node) && node.name.getText() === 'errno';
    makes ||=
      ts.isBinaryExpression(node) &&
      node.operatorToken.kind === ts.SyntaxKind.EqualsToken &&
      ts.isPropertyAccessExpression(node.left) &&
      node.left.name.text === 'errno';
  });
  return makes;
}

/** The folders right below one. */
function foldersIn(folder: string): string[] {
  return readdirSync(join(packageRoot, folder), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
}

describe("CONTRIBUTING's map", () => {
  const map =
    textOf('CONTRIBUTING.md').split('\n## Where things are\n')[1]?.split(/^## /m)[0] ?? '';
  const ticked = (cell: string): string[] =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);

  it('fits one screen', () => {
    expect(map.split('\n').length).toBeLessThan(60);
  });

  it('has the table of allowed imports', () => {
    const rows = [...map.matchAll(/^\| `([\w/]+)` \| [^|]+ \|(.*)\|$/gm)].map(
      ([, part = '', cell = '']) => [
        part,
        ticked(cell)
          .flatMap((name) => (name === 'ground' ? ground : [name]))
          .sort(),
      ],
    );
    const told = Object.entries(layers).map(([part, below]) => [part, [...below].sort()]);
    expect(Object.fromEntries(rows)).toEqual(Object.fromEntries(told));
  });

  it('has the folders of the project and of the tests, and no others', () => {
    const block = map.split('```')[1] ?? '';
    const named = [...block.matchAll(/(?<![\w<])(\w+)\/(?!\w)/g)].map(([, name = '']) => name);
    const existing = [
      ...foldersIn('test'),
      ...['native', 'lib', 'test', 'bench', 'examples', 'scripts'],
    ];
    expect([...new Set(named)].sort()).toEqual([...new Set(existing)].sort());
  });

  it('names no part that was removed', () => {
    const gone = Object.keys(layers).filter(
      (part) => !['', '.ts'].some((end) => existsSync(join(packageRoot, `lib/${part}${end}`))),
    );
    expect(gone).toEqual([]);
  });

  it('names files and folders that exist', () => {
    const changes = map.split('| a change |')[1] ?? '';
    const paths = ticked(changes).filter((name) => name.includes('/') && !name.includes('<'));
    expect(paths.length).toBeGreaterThan(8);
    const missing = paths.filter((path) => !existsSync(join(packageRoot, path)));
    // This folder comes with the layer of packets.
    expect(missing).toEqual(['lib/packets/']);
  });
});
