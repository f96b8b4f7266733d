{
  "variables": {
    # The same list serves CMakeLists.txt.
    "sources%": ["<!@(node -p \"require('fs').readFileSync('native/sources.txt', 'utf8').trim().split(/\\s+/).join(' ')\")"],
    # A warning is an error in a checkout. For a user, a warning of a newer compiler must not stop
    # the installation.
    "warnings%": ["-Wall", "-Wextra", "<!(node -p \"require('fs').existsSync('tsconfig.json') ? '-Werror' : '-Wno-error'\")"],
  },
  "targets": [
    {
      "target_name": "sockscope",
      "sources": ["<@(sources)"],
      "include_dirs": ["<!(node scripts/native-paths.cjs addon-api)"],
      # native/README.md says what the two of node-addon-api do.
      "defines": ["NAPI_VERSION=8", "NAPI_DISABLE_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
      "cflags": ["<@(warnings)", "-O2", "-fvisibility=hidden", "-ffunction-sections", "-fdata-sections"],
      "cflags!": ["-O3"],
      "cflags_cc": ["-std=c++20", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics"],
      "conditions": [
        ["OS=='linux'", {
          # One binary for every libc. It names no library: the process that loads it has all the
          # symbols. It calls no function that only glibc has (the fortified ones, and those with 64
          # in their names), and a name without a version means the oldest version:
          # test/native/binary.test.ts holds the list. gc-sections drops the code of node-addon-api
          # that would call the C++ runtime library. nodelete: a thread may outlive the last worker
          # that loaded the addon.
          "cflags": ["-U_FORTIFY_SOURCE", "-U_FILE_OFFSET_BITS"],
          "ldflags": ["-nodefaultlibs", "-Wl,--gc-sections", "-Wl,-z,lazy", "-Wl,-z,nodelete", "-Wl,--version-script=<(module_root_dir)/native/exports.map"],
          # The compiler's own support functions, linked statically where a processor needs some.
          "libraries": ["-lgcc"],
        }],
        ["OS=='mac'", {
          "xcode_settings": {
            "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
            "DEAD_CODE_STRIPPING": "YES",
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
