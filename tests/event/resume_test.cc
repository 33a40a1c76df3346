#include "common/event/resume.h"

#include <gtest/gtest.h>

namespace logtail::event {
namespace {

BlockHeader block(uint64_t fingerprint, uint32_t ordinal, uint64_t from, uint64_t to,
                  uint32_t flags = 0) {
  BlockHeader header;
  header.generation = {fingerprint, 0};
  header.ordinal = ordinal;
  header.from = from;
  header.to = to;
  header.flags = flags;
  header.tailHash = to * 31;
  return header;
}

TEST(Resume, FollowsBlocksAndKeepsGenerationsInOrder) {
  Resume resume;
  resume.advance(block(10, 1, 0, 100));
  resume.advance(block(30, 3, 0, 5));
  resume.advance(block(20, 2, 0, 50, kBlockLate));
  resume.advance(block(10, 1, 100, 120, kBlockEnd));
  ASSERT_EQ(resume.generations.size(), 3u);
  EXPECT_EQ(resume.generations[0], (GenerationResume{{10, 0}, 1, true, 120, 120 * 31}));
  EXPECT_EQ(resume.generations[1].id.fingerprint, 20u);
  EXPECT_EQ(resume.generations[2].id.fingerprint, 30u);
  EXPECT_EQ(resume.find({20, 0})->to, 50u);
  EXPECT_EQ(resume.find({20, 1}), nullptr);
}

TEST(Resume, ForgetsTheOldestGenerationsBeyondTheLimit) {
  Resume resume;
  for (uint32_t i = 0; i < kMaxGenerations + 10; ++i)
    resume.advance(block(i + 1, i, 0, 1, kBlockEnd));
  EXPECT_EQ(resume.generations.size(), kMaxGenerations);
  EXPECT_EQ(resume.generations.front().ordinal, 10u);
}

TEST(Resume, ComesBackAsItWasWritten) {
  Resume resume;
  resume.startTimeNanos = -5;
  resume.advance(block(10, 1, 0, 100, kBlockEnd));
  resume.advance(block(11, 2, 0, 1));
  resume.channels[1] = {ChannelState::Kind::kOpen, {10, 2}, 77, 41};
  resume.channels[0] = {ChannelState::Kind::kCut, {11, 0}, 0, 0};
  std::string bytes;
  encode(resume, bytes);
  base::Decoder in(bytes);
  EXPECT_EQ(decodeResume(in), resume);
  EXPECT_TRUE(in.ok());
  EXPECT_EQ(in.remaining(), 0u);
  for (size_t size = 0; size < bytes.size(); ++size) {
    const std::string cut(bytes, 0, size);
    base::Decoder torn(cut);
    decodeResume(torn);
    EXPECT_FALSE(torn.ok()) << size;
  }
}

}  // namespace
}  // namespace logtail::event
