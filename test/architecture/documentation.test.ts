import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../support/child';
import { textOf } from './source-tree';

/** The public surface, as the compiler sees it: what the given entries export. */
function surfaceOf(
  entries: readonly string[],
  host?: ts.CompilerHost,
): { checker: ts.TypeChecker; symbols: ts.Symbol[] } {
  const config = ts.getParsedCommandLineOfConfigFile(
    join(packageRoot, 'tsconfig.json'),
    {},
    { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => undefined },
  );
  const program = ts.createProgram(entries, config?.options ?? {}, host);
  const checker = program.getTypeChecker();
  const symbols = entries.flatMap((entry) => {
    const file = program.getSourceFile(entry);
    const module = file && checker.getSymbolAtLocation(file);
    if (module === undefined) throw new Error(`${entry} is no module`);
    return checker
      .getExportsOfModule(module)
      .map((symbol) =>
        symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol,
      );
  });
  return { checker, symbols: [...new Set(symbols)] };
}

/**
 * Every exported symbol, and every public member of an exported class or interface, has a doc
 * comment (its own, or that of the member it implements). The comment of a function that returns a
 * promise, or the comment of its class, says what a cancellation does.
 */
function complaints({
  checker,
  symbols,
}: {
  checker: ts.TypeChecker;
  symbols: readonly ts.Symbol[];
}): string[] {
  const found: string[] = [];
  const speaksOfCancelling = /cancel|checkpoint/i;
  const docOf = (symbol: ts.Symbol): string =>
    [
      ts.displayPartsToString(symbol.getDocumentationComment(checker)),
      ...symbol.getJsDocTags(checker).map((tag) => ts.displayPartsToString(tag.text)),
    ]
      .join('\n')
      .trim();

  const returnsPromise = (symbol: ts.Symbol, at: ts.Node): boolean =>
    checker
      .getTypeOfSymbolAtLocation(symbol, at)
      .getCallSignatures()
      .some((signature) =>
        /^Promise(Like)?$/.test(signature.getReturnType().getSymbol()?.name ?? ''),
      );

  /** The classes and interfaces that one extends or implements, directly or indirectly. */
  const basesOf = (declaration: ts.ClassDeclaration | ts.InterfaceDeclaration): ts.Symbol[] =>
    (declaration.heritageClauses ?? [])
      .flatMap((clause) => clause.types.map((type) => checker.getTypeAtLocation(type).getSymbol()))
      .filter((base) => base !== undefined)
      .flatMap((base) => {
        const above = base.declarations?.find(
          (node) => ts.isClassDeclaration(node) || ts.isInterfaceDeclaration(node),
        );
        return [base, ...(above === undefined ? [] : basesOf(above))];
      });

  const check = (symbol: ts.Symbol, name: string, around: string): void => {
    const declaration = symbol.declarations?.[0];
    if (declaration === undefined) return;
    const doc = docOf(symbol);
    if (doc === '') found.push(`${name}: no doc comment`);
    else if (
      returnsPromise(symbol, declaration) &&
      !speaksOfCancelling.test(doc) &&
      !speaksOfCancelling.test(around)
    ) {
      found.push(`${name}: no word on cancellation`);
    }
  };

  for (const symbol of symbols) {
    check(symbol, symbol.name, '');
    const declaration = symbol.declarations?.find(
      (node) => ts.isClassDeclaration(node) || ts.isInterfaceDeclaration(node),
    );
    if (declaration === undefined) continue;
    const around = [symbol, ...basesOf(declaration)].map(docOf).join('\n');
    const own =
      ts.isClassDeclaration(declaration) && symbol.exports ? [...symbol.exports.values()] : [];
    for (const member of [...(symbol.members?.values() ?? []), ...own]) {
      const at = member.declarations?.[0];
      const hidden =
        at === undefined ||
        !(ts.isMethodDeclaration(at) || ts.isMethodSignature(at) || ts.isAccessor(at)) ||
        ts.getCombinedModifierFlags(at) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected) ||
        ts.isPrivateIdentifier(at.name) ||
        // The language defines the meaning of these: `using` and `await using`.
        /dispose\]$/i.test(at.name.getText()) ||
        ts.getJSDocTags(at).some((tag) => tag.tagName.text === 'internal');
      if (!hidden) check(member, `${symbol.name}.${member.name}`, around);
    }
  }
  return found;
}

describe('documentation', () => {
  const entries = ['lib/index.ts', 'lib/testing/index.ts', 'lib/conformance/index.ts'].map((file) =>
    join(packageRoot, file),
  );

  it(
    'every public symbol and method has a doc comment, and every asynchronous one speaks of cancellation',
    { timeout: 60_000 },
    () => {
      const surface = surfaceOf(entries);
      expect(surface.symbols.length).toBeGreaterThan(20);
      expect(complaints(surface)).toEqual([]);
    },
  );

  it('the check finds missing comments', { timeout: 60_000 }, () => {
    const file = join(packageRoot, 'lib/planted.ts');
    const text = `
      export function bare() {}
      /** Does. */ export async function silent() {}
      /** Does. A checkpoint. */ export async function spoken() {}
      /** Is. */ export interface Shape {
        /** Does. */
        said(): void;
        unsaid(): void;
        /** Waits. */
        waits(): Promise<void>;
      }
      /** Is. */ export class Thing implements Shape {
        said() {}
        unsaid() {}
        async waits() {}
        #hidden() {}
        private own() {}
        /** Is. */
        static made() {}
        static bare() {}
      }
      /** Each method is a checkpoint. */ export class Waiter {
        /** Waits. */
        async waits() {}
      }
      /** Is. */ export class Patient extends Waiter {
        override async waits() {}
      }
    `;
    const host = ts.createCompilerHost({});
    const { getSourceFile, fileExists } = host;
    host.getSourceFile = (name, ...rest) =>
      name === file
        ? ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true)
        : getSourceFile(name, ...rest);
    host.fileExists = (name) => name === file || fileExists(name);
    expect(complaints(surfaceOf([file], host))).toEqual([
      'bare: no doc comment',
      'silent: no word on cancellation',
      'Shape.unsaid: no doc comment',
      'Shape.waits: no word on cancellation',
      'Thing.unsaid: no doc comment',
      'Thing.waits: no word on cancellation',
      'Thing.bare: no doc comment',
    ]);
  });

  it('README begins with how to start and how to test', () => {
    const readme = textOf('README.md');
    expect(readme.indexOf('npm ci && npm start')).toBeGreaterThan(0);
    expect(readme.indexOf('npm ci && npm test')).toBeGreaterThan(0);
    expect(readme.indexOf('npm ci && npm test')).toBeLessThan(1_000);
  });
});
