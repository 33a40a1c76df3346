#include "common/event/stream.h"

#include "common/base/coding.h"

namespace logtail::event {
namespace {

// Tags of the encoded fields; never reused.
enum Tag : uint8_t {
  kCluster = 1,
  kNode = 2,
  kNamespaceName = 3,
  kNamespaceUid = 4,
  kPod = 5,
  kPodUid = 6,
  kContainer = 7,
  kContainerId = 8,
  kRestart = 9,
  kTenant = 10,
  kImage = 11,
  kOwner = 12,
  kZone = 13,
  kLabel = 14,       // one pair each: key, value
  kAnnotation = 15,  // one pair each
};

void putText(std::string& out, Tag tag, std::string_view text) {
  if (text.empty()) return;
  out.push_back(static_cast<char>(tag));
  base::putBytes(out, text);
}

void putNumber(std::string& out, Tag tag, uint64_t number) {
  if (number == 0) return;
  std::string payload;
  base::putVarint(payload, number);
  putText(out, tag, payload);
}

void putPair(std::string& out, Tag tag, const std::pair<std::string, std::string>& pair) {
  std::string payload;
  base::putBytes(payload, pair.first);
  base::putBytes(payload, pair.second);
  putText(out, tag, payload);
}

std::string* textField(StreamDescription& d, uint8_t tag) {
  switch (tag) {
    case kCluster:
      return &d.cluster;
    case kNode:
      return &d.node;
    case kNamespaceName:
      return &d.namespaceName;
    case kNamespaceUid:
      return &d.namespaceUid;
    case kPod:
      return &d.pod;
    case kPodUid:
      return &d.podUid;
    case kContainer:
      return &d.container;
    case kContainerId:
      return &d.containerId;
    case kImage:
      return &d.image;
    case kOwner:
      return &d.owner;
    case kZone:
      return &d.zone;
    default:
      return nullptr;
  }
}

bool decodePair(std::string_view bytes, std::vector<std::pair<std::string, std::string>>& into) {
  base::Decoder in(bytes);
  const std::string_view key = in.bytes(kMaxStreamDescription);
  const std::string_view value = in.bytes(kMaxStreamDescription);
  if (!in.ok()) return false;
  into.emplace_back(key, value);
  return true;
}

bool decodeNumber(std::string_view bytes, uint32_t& into) {
  base::Decoder in(bytes);
  into = static_cast<uint32_t>(in.varint());
  return in.ok();
}

}  // namespace

std::string toString(const StreamKey& key) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const uint64_t half : {key.hash.high, key.hash.low}) {
    for (int shift = 60; shift >= 0; shift -= 4) text.push_back(kDigits[(half >> shift) & 15]);
  }
  return text;
}

StreamKey StreamDescription::key() const {
  std::string identity;
  for (const std::string* part : {&cluster, &node, &podUid, &container})
    base::putBytes(identity, *part);
  base::putVarint(identity, restart);
  return {base::hash128(identity)};
}

void encode(const StreamDescription& d, std::string& out) {
  putText(out, kCluster, d.cluster);
  putText(out, kNode, d.node);
  putText(out, kNamespaceName, d.namespaceName);
  putText(out, kNamespaceUid, d.namespaceUid);
  putText(out, kPod, d.pod);
  putText(out, kPodUid, d.podUid);
  putText(out, kContainer, d.container);
  putText(out, kContainerId, d.containerId);
  putNumber(out, kRestart, d.restart);
  putNumber(out, kTenant, d.tenant);
  putText(out, kImage, d.image);
  putText(out, kOwner, d.owner);
  putText(out, kZone, d.zone);
  for (const auto& pair : d.labels) putPair(out, kLabel, pair);
  for (const auto& pair : d.annotations) putPair(out, kAnnotation, pair);
}

base::Result<StreamDescription> decodeStreamDescription(std::string_view bytes) {
  const base::Error malformed{base::Errc::kFixInput, "malformed stream description"};
  if (bytes.size() > kMaxStreamDescription) return malformed;
  StreamDescription d;
  base::Decoder in(bytes);
  while (in.remaining() > 0) {
    const auto tag = in.fixed<uint8_t>();
    const std::string_view payload = in.bytes(kMaxStreamDescription);
    if (!in.ok()) return malformed;
    bool good = true;
    if (std::string* text = textField(d, tag)) {
      *text = payload;
    } else if (tag == kRestart) {
      good = decodeNumber(payload, d.restart);
    } else if (tag == kTenant) {
      good = decodeNumber(payload, d.tenant);
    } else if (tag == kLabel) {
      good = decodePair(payload, d.labels);
    } else if (tag == kAnnotation) {
      good = decodePair(payload, d.annotations);
    }
    if (!good) return malformed;
  }
  return d;
}

}  // namespace logtail::event
