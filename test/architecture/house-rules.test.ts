import { describe, expect, it } from 'vitest';
import { filesUnder, textOf } from './source-tree';

const lib = filesUnder('lib', /\.ts$/);
const native = filesUnder('native', /\.(cc|h)$/);
const programs = ['bench', 'examples', 'scripts', 'test'].flatMap((folder) =>
  filesUnder(folder, /\.[cm]?[jt]s$/),
);

/** The lines of a file that match, as `path:line: text`, comments and strings included. */
function grep(file: string, pattern: RegExp, text = textOf(file)): string[] {
  return text
    .split('\n')
    .flatMap((line, index) =>
      pattern.test(line) ? [`${file}:${String(index + 1)}: ${line.trim()}`] : [],
    );
}

describe('files', () => {
  it('have 450 lines at most, or say in their first line why they are long', () => {
    const tooLong = [...lib, ...native, ...programs].filter((file) => {
      const lines = textOf(file).split('\n');
      return lines.length > 450 && !/^(\/\/|\/\*).*\blong\b/i.test(lines[0] ?? '');
    });
    expect(tooLong).toEqual([]);
  });

  it('have kebab-case names in TypeScript and JavaScript, and snake_case names in C++', () => {
    expect(
      [...lib, ...programs].filter(
        (file) => !/\/[a-z0-9-]+(\.[a-z0-9-]+)*\.[cm]?[jt]s$/.test(file),
      ),
    ).toEqual([]);
    expect(native.filter((file) => !/^native\/[a-z0-9_]+\.(cc|h)$/.test(file))).toEqual([]);
  });

  it('have no catch-all names such as utils or helpers', () => {
    expect(
      [...lib, ...native, ...programs].filter((file) =>
        /(^|[/_-])(utils?|helpers?|misc|common)([._-]|$)/.test(file),
      ),
    ).toEqual([]);
  });
});

describe('comments', () => {
  /** A line of 101 columns or more that is a comment, or ends in one. */
  // A statement marked prettier-ignore may be wider.
  const tooWide = /^(?=.{101})(?!.*prettier-ignore$)(\s*(\/\/|\/?\*)|.*[;,{}()[\]]\s+\/\/ )/;

  it('end at column 100 or before', () => {
    expect([...lib, ...native, ...programs].flatMap((file) => grep(file, tooWide))).toEqual([]);
  });

  it('are found if they are wider, and strings are not', () => {
    const words = 'word '.repeat(20);
    for (const line of [`  // ${words}`, `   * ${words}`, `/** ${words}*/`, `f(1); // ${words}`])
      expect(grep('x', tooWide, line), line).toHaveLength(1);
    for (const line of [`f('${words}');`, `f('http://${words}');`, '// short'])
      expect(grep('x', tooWide, line), line).toEqual([]);
  });
});

describe('platform differences', () => {
  /**
   * Where TypeScript may ask which platform or runtime it runs on, and what for. Everywhere else a
   * capability or a constant decides.
   */
  const lookers: Readonly<Record<string, string>> = {
    'lib/binding.ts': 'which binary to load, and which runtimes have the libuv functions it calls',
    'lib/cli/info.ts': 'it reports what this platform can do',
    'lib/backends/native/unix-file.ts':
      'on Linux a socket file takes the mode of its socket, so that none is ever open to others',
    'lib/networking/socket-file.ts': 'how the very file of a socket is named, and no link',
    'lib/waiting/context.ts': 'how this runtime keeps the contexts of code',
    'lib/backends/native/send-queue.ts': 'the error of send(2) if the queue of a receiver is full',
    'lib/backends/node/platform.ts': "what this version of Node.js' own sockets can do",
    'lib/socket/address.ts': 'abstract Unix names are of Linux alone, and elsewhere would be paths',
    'lib/socket/options.ts': 'struct tcp_info has a layout per platform',
  };
  const asks = /\bprocess\.(platform|arch|versions)\b|\bos\.(platform|type|release|arch)\(/;

  it('are decided in named places of lib/', () => {
    expect(lib.filter((file) => !(file in lookers)).flatMap((file) => grep(file, asks))).toEqual(
      [],
    );
    expect(grep('x', asks, "if (process.platform === 'linux') {")).toHaveLength(1);
  });

  /** The C++ files with code for one platform, or with the choice between platforms. */
  const branches: Readonly<Record<string, string>> = {
    'native/constants.cc': 'a constant that a platform lacks',
    'native/platform.h': 'the choice',
    'native/platform_bsd.cc': "the BSDs' and macOS' way",
    'native/platform_linux.cc': "Linux' way",
    'native/reactor.h': 'epoll is of Linux alone',
    'native/reactor.cc': 'epoll is of Linux alone',
    'native/reactor_epoll.cc': 'epoll is of Linux alone',
    'native/runtime.cc': 'only on Linux does the addon do without the C++ runtime library',
    'native/sockaddr.cc': 'abstract names, and the length byte that BSD has in a sockaddr',
  };
  // An include guard is not a choice of platform. An #ifdef of a constant that some platforms lack
  // stands where the constant is used.
  const conditional =
    /^\s*#\s*(if|elif)\b|^\s*#\s*ifn?def (?!SOCKSCOPE_\w+_H_$|[A-Z]+_[A-Z0-9_]+$)/;
  it('are decided in named places of native/', () => {
    for (const line of ['#ifdef __linux__', '#if defined(__APPLE__)', '#ifndef _WIN32'])
      expect(grep('x', conditional, line), line).toHaveLength(1);
    for (const line of ['#ifdef EAI_NODATA', '#ifndef SOCKSCOPE_JS_H_'])
      expect(grep('x', conditional, line), line).toEqual([]);
    expect(
      native.filter((file) => !(file in branches)).flatMap((file) => grep(file, conditional)),
    ).toEqual([]);
  });

  it('occur in every file of the two lists', () => {
    const asking = (file: string, pattern: RegExp): boolean =>
      [...lib, ...native].includes(file) && grep(file, pattern).length > 0;
    expect(Object.keys(lookers).filter((file) => !asking(file, asks))).toEqual([]);
    expect(Object.keys(branches).filter((file) => !asking(file, conditional))).toEqual([]);
  });
});

describe('process warnings', () => {
  it('are emitted in one place, outside of the task that caused them; the program may do it itself', () => {
    const emits = lib.filter((file) => grep(file, /\bemitWarning\(/).length > 0);
    expect(emits.filter((file) => !file.startsWith('lib/cli/'))).toEqual(['lib/waiting/warn.ts']);
  });
});

describe('native/', () => {
  it('sources.txt is the list of its .cc files', () => {
    const listed = textOf('native/sources.txt').split('\n').filter(Boolean);
    expect(listed).toEqual([...new Set(listed)]);
    expect([...listed].sort()).toEqual(native.filter((file) => file.endsWith('.cc')));
  });

  it('both build files read that list', () => {
    expect(textOf('binding.gyp')).toContain('sources.txt');
    expect(textOf('CMakeLists.txt')).toContain('sources.txt');
  });

  it('never ends the process, throws, or uses the default loop', () => {
    // static_assert runs in the compiler only.
    const fatal =
      /(?<!static_)\bassert\s*\(|\babort\s*\(|\b_?exit\s*\(|\bnapi_fatal_error\b|\bthrow\b(?!_)|\buv_default_loop\b|\bCHECK\s*\(/;
    // This file stands in for the C++ runtime library: the compiler may refer to it, but never
    // calls it.
    const files = native.filter((file) => file !== 'native/runtime.cc');
    const code = (file: string): string =>
      textOf(file)
        .replace(/\/\/.*$/gm, '')
        .replace(/\/\*[^]*?\*\//g, '');
    expect(files.flatMap((file) => grep(file, fatal, code(file)))).toEqual([]);
    for (const line of ['assert(fd >= 0);', 'abort();', 'throw 1;', 'uv_default_loop()'])
      expect(grep('x', fatal, line), line).toHaveLength(1);
    for (const line of ['static_assert(sizeof(a) == 4);', 'napi_throw_error(env, a, b);'])
      expect(grep('x', fatal, line), line).toEqual([]);
  });
});
