#include "common/event/stream.h"

#include <gtest/gtest.h>

#include "common/base/coding.h"

namespace logtail::event {
namespace {

StreamDescription full() {
  StreamDescription d;
  d.cluster = "prod-tokyo";
  d.node = "n1";
  d.namespaceName = "shop";
  d.namespaceUid = "ns-uid";
  d.pod = "api-7d4f";
  d.podUid = "0b5b4a5e";
  d.container = "api";
  d.containerId = std::string(64, 'c');
  d.restart = 3;
  d.tenant = 9;
  d.image = "registry/api:1";
  d.owner = "Deployment/api";
  d.zone = "a";
  d.labels = {{"app", "api"}, {"app.kubernetes.io/name", ""}};
  d.annotations = {{"logtail.io/multiline", "java"}};
  return d;
}

TEST(StreamDescription, ComesBackAsItWasWritten) {
  std::string bytes;
  encode(full(), bytes);
  const auto back = decodeStreamDescription(bytes);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, full());
}

TEST(StreamDescription, SkipsTagsOfALaterVersion) {
  std::string bytes;
  encode(full(), bytes);
  bytes += '\x7e';
  base::putBytes(bytes, "from the future");
  const auto back = decodeStreamDescription(bytes);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, full());
}

TEST(StreamDescription, RefusesEveryTruncationOrReadsAPrefix) {
  std::string bytes;
  encode(full(), bytes);
  int refused = 0;
  for (size_t size = 0; size < bytes.size(); ++size) {
    const std::string cut(bytes, 0, size);
    refused += decodeStreamDescription(std::string_view(cut)).ok() ? 0 : 1;
  }
  EXPECT_GT(refused, static_cast<int>(bytes.size()) / 2);
}

TEST(StreamKey, DependsOnTheInstanceAndOnNothingElse) {
  const StreamKey key = full().key();
  auto same = full();
  same.labels.clear();
  same.pod = "renamed";
  same.zone = "b";
  EXPECT_EQ(same.key(), key);
  for (auto change : {+[](StreamDescription& d) { d.cluster += "x"; },
                      +[](StreamDescription& d) { d.node += "x"; },
                      +[](StreamDescription& d) { d.podUid += "x"; },
                      +[](StreamDescription& d) { d.container += "x"; },
                      +[](StreamDescription& d) { d.restart += 1; }}) {
    auto other = full();
    change(other);
    EXPECT_NE(other.key(), key);
  }
  EXPECT_EQ(toString(key).size(), 32u);
}

TEST(StreamKey, DoesNotConfuseNeighbouringFields) {
  StreamDescription a, b;
  a.cluster = "ab";
  a.node = "c";
  b.cluster = "a";
  b.node = "bc";
  EXPECT_NE(a.key(), b.key());
}

}  // namespace
}  // namespace logtail::event
