// Markdown from the tables, so that docs/config.md cannot say what the programs do not do.
#include "common/config/spec.h"

namespace logtail::config {
namespace {

// A cell may not hold a bar or a line break.
std::string cell(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') {
      out += "\\|";
    } else {
      out += c == '\n' ? ' ' : c;
    }
  }
  return out;
}

std::string below(const std::string& path, const FieldSpec& field) {
  const std::string at = joinPath(path, field.name);
  switch (field.shape) {
    case FieldSpec::Shape::kStructList:
      return at + "[]";
    case FieldSpec::Shape::kStructMap:
    case FieldSpec::Shape::kVariantMap:
      return at + ".<id>";
    case FieldSpec::Shape::kStruct:
    case FieldSpec::Shape::kValue:
      break;
  }
  return at;
}

void writeStruct(std::string& out, const StructSpec& spec, const std::string& path,
                 const std::string& title) {
  out.append("\n## ").append(title).append("\n\n").append(spec.doc).append("\n\n");
  if (!spec.fields.empty()) {
    out.append("| key | value | default | meaning |\n|---|---|---|---|\n");
  }
  for (const FieldSpec& field : spec.fields) {
    const std::string fallback = field.required              ? "must be given"
                                 : field.defaultText.empty() ? ""
                                                             : "`" + field.defaultText + "`";
    out.append("| `").append(joinPath(path, field.name)).append("` | ");
    out.append(cell(field.type())).append(" | ").append(cell(fallback)).append(" | ");
    out.append(cell(field.doc)).append(" |\n");
  }
  for (const FieldSpec& field : spec.fields) {
    const std::string nestedPath = below(path, field);
    for (const auto& nested : field.nested) {
      const bool isVariant = field.shape == FieldSpec::Shape::kVariantMap;
      writeStruct(out, *nested, nestedPath,
                  "`" + nestedPath + "`" + (isVariant ? " with type `" + nested->name + "`" : ""));
    }
  }
}

}  // namespace

std::string documentation(const StructSpec& spec) {
  std::string out;
  writeStruct(out, spec, "", "`" + spec.name + "`");
  return out.substr(1);
}

}  // namespace logtail::config
