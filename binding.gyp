{
  "variables": {
    # One list for this file and for CMakeLists.txt.
    "sources%": ["<!@(node -p \"require('fs').readFileSync('native/sources.txt', 'utf8').trim().split(/\\s+/).join(' ')\")"],
    # A warning is an error in a checkout. At a user's, what a newer compiler warns of must not stop the installation.
    "warnings%": ["-Wall", "-Wextra", "<!(node -p \"require('fs').existsSync('tsconfig.json') ? '-Werror' : '-Wno-error'\")"],
  },
  "targets": [
    {
      "target_name": "sockscope",
      "sources": ["<@(sources)"],
      "defines": ["NAPI_VERSION=8"],
      "cflags": ["<@(warnings)", "-fvisibility=hidden"],
      "cflags_cc": ["-std=c++17", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics"],
      "conditions": [
        ["OS=='linux'", {
          # One binary for every libc: no library is named, so that all symbols are found in the process that loads it, and none
          # is a speciality of glibc (the fortified functions and the ones with 64 in their names are). Without a version, a name
          # means the oldest one: test/native/binary.test.ts holds the list. nodelete: threads may outlive the last worker that
          # has loaded the addon.
          "cflags": ["-U_FORTIFY_SOURCE", "-U_FILE_OFFSET_BITS"],
          "ldflags": ["-nodefaultlibs", "-Wl,-z,lazy", "-Wl,-z,nodelete", "-Wl,--version-script=<(module_root_dir)/native/exports.map"],
          # The compiler's own helpers, linked statically where a processor needs some.
          "libraries": ["-lgcc"],
        }],
        ["OS=='mac'", {
          "xcode_settings": {
            "CLANG_CXX_LANGUAGE_STANDARD": "c++17",
            "GCC_ENABLE_CPP_EXCEPTIONS": "NO",
            "GCC_ENABLE_CPP_RTTI": "NO",
            "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
            "MACOSX_DEPLOYMENT_TARGET": "11.0",
            "WARNING_CFLAGS": ["<@(warnings)"],
          },
        }],
      ],
    },
  ],
}
