#ifndef SOCKSCOPE_EXPORT_TABLE_H_
#define SOCKSCOPE_EXPORT_TABLE_H_

#include <node_api.h>

#include <span>

namespace sockscope {

// One export of the addon: a function, or an object. lib/binding.ts declares it under the same
// name.
struct Export {
  const char* name;
  // Makes at most one system call, and never throws. Its data is the EnvState. It returns a number,
  // or the type that lib/binding.ts declares. Null if the export is an object.
  napi_callback function;
  // Makes the object when the addon is loaded. Null if that fails.
  napi_value (*object)(napi_env env) = nullptr;
};

using ExportTable = std::span<const Export>;

// Each file with exports ends in its table, and addon.cc joins the tables.
extern const ExportTable kAncillaryExports;
extern const ExportTable kBatchExports;
extern const ExportTable kConstantsExports;
extern const ExportTable kMessageExports;
extern const ExportTable kOptionsExports;
extern const ExportTable kResolverExports;
extern const ExportTable kSockaddrExports;
extern const ExportTable kSocketExports;
extern const ExportTable kWatchExports;

}  // namespace sockscope

#endif  // SOCKSCOPE_EXPORT_TABLE_H_
