#include "common/net/certified_node.h"

#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "common/base/printable.h"

namespace logtail::net {
namespace {

constexpr size_t kMaxName = 253;

// Of a DNS name or one segment of a URI; so no wildcard, no NUL, no separator.
bool isNodeName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxName &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '-' || c == '_';
         });
}

// NAME of spiffe://DOMAIN/node/NAME; nothing for any other URI.
std::optional<std::string_view> nodeOfUri(std::string_view uri) {
  constexpr std::string_view kScheme = "spiffe://";
  constexpr std::string_view kPath = "/node/";
  if (!uri.starts_with(kScheme)) return std::nullopt;
  uri.remove_prefix(kScheme.size());
  const size_t slash = uri.find('/');
  if (slash == 0 || slash == std::string_view::npos) return std::nullopt;
  uri.remove_prefix(slash);
  if (!uri.starts_with(kPath)) return std::nullopt;
  return uri.substr(kPath.size());
}

std::string_view view(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<size_t>(ASN1_STRING_length(text))};
}

std::vector<std::string> candidates(const X509* certificate) {
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> names(
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
      GENERAL_NAMES_free);
  std::vector<std::string> found;
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    std::optional<std::string_view> node;
    if (name->type == GEN_DNS) node = view(name->d.dNSName);
    if (name->type == GEN_URI) node = nodeOfUri(view(name->d.uniformResourceIdentifier));
    if (node && std::find(found.begin(), found.end(), *node) == found.end()) {
      found.emplace_back(*node);
    }
  }
  return found;
}

}  // namespace

CertifiedNode certifiedNode(const X509* certificate) {
  const std::vector<std::string> found = candidates(certificate);
  if (found.empty()) {
    return {CertifiedNode::Kind::kNone,
            "the certificate has neither a DNS name nor a URI spiffe://DOMAIN/node/NAME"};
  }
  std::string shown;
  for (const std::string& name : found) {
    if (!shown.empty()) shown += ", ";
    base::appendPrintable(std::string_view(name).substr(0, kMaxName), shown);
    if (shown.size() > kMaxName) break;
  }
  if (found.size() > 1) {
    return {CertifiedNode::Kind::kSeveral, "the certificate names several nodes: " + shown};
  }
  if (!isNodeName(found.front())) {
    return {CertifiedNode::Kind::kNone, "the certificate's name \"" + shown + "\" is no node's"};
  }
  return {CertifiedNode::Kind::kOne, found.front()};
}

}  // namespace logtail::net
