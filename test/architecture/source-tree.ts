import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import ts from 'typescript';
import { packageRoot } from '../support/child';

/**
 * The files of a folder of the project and of the folders below it, by their paths from the
 * project's root. Installed packages are left out.
 */
export function filesUnder(folder: string, pattern: RegExp): string[] {
  return readdirSync(join(packageRoot, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && pattern.test(entry.name))
    .map((entry) =>
      posix.join(entry.parentPath.slice(packageRoot.length).replaceAll('\\', '/'), entry.name),
    )
    .filter((path) => !path.includes('/node_modules/'))
    .sort();
}

/** The text of a file, by its path from the project's root. */
export function textOf(path: string): string {
  return readFileSync(join(packageRoot, path), 'utf8');
}

/** The syntax tree of a TypeScript or JavaScript file. */
export function parse(path: string, text = textOf(path)): ts.SourceFile {
  return ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
}

/** Calls `visit` with every node of the tree. */
export function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => {
    walk(child, visit);
  });
}

/** One place where a file names another module. */
export interface Import {
  readonly specifier: string;
  /** The compiler erases this import: it does not exist at run time. */
  readonly typeOnly: boolean;
}

/**
 * Every module that a file names: import and export declarations, `import x = require()`,
 * `import()`, `import('x').Type`, `require()`.
 */
export function importsOf(path: string, text = textOf(path)): Import[] {
  const imports: Import[] = [];
  const add = (node: ts.Node | undefined, typeOnly = false): void => {
    if (node !== undefined && ts.isStringLiteralLike(node))
      imports.push({ specifier: node.text, typeOnly });
  };
  walk(parse(path, text), (node) => {
    if (ts.isImportDeclaration(node))
      add(node.moduleSpecifier, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword);
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly);
    else if (ts.isExternalModuleReference(node)) add(node.expression);
    else if (ts.isImportTypeNode(node))
      add(ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined, true);
    else if (ts.isCallExpression(node)) {
      const called = node.expression;
      if (
        called.kind === ts.SyntaxKind.ImportKeyword ||
        /^(require|require\.resolve|createRequire\(.*\))$/.test(called.getText())
      )
        add(node.arguments[0]);
    }
  });
  return imports;
}

/**
 * What a relative specifier in a file of lib/ names, without extension: `lib/concurrency/lock`,
 * `lib/index`.
 */
export function resolveInLib(importer: string, specifier: string): string {
  const target = posix.join(posix.dirname(importer), specifier).replace(/\.(js|ts)$|\/$/, '');
  return target === 'lib' ? 'lib/index' : target;
}
