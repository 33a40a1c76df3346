#include "agent/frame_window.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "tests/agent/ship/units.h"

namespace logtail::agent {
namespace {

using base::Nanos;

std::string bytesOf(const Frame& frame) {
  std::string bytes(frame.prefix.data(), frame.prefix.size());
  for (const SealedUnit& unit : frame.units) bytes += unit.bytes;
  return bytes;
}

class FrameWindowTest : public testing::Test {
 protected:
  void connect(uint64_t acked = 0, uint64_t windowBytes = 8 << 20) {
    window.disconnected();
    ASSERT_TRUE(window.connected(acked, windowBytes, acked_).ok());
  }
  bool offer(size_t bytes = 100) {
    SealedUnit unit = unitOf("pod", next_, noise(bytes, next_));
    const uint64_t to = unit.blocks[0].to;
    if (!window.offer(std::move(unit))) return false;
    next_ = to;
    return true;
  }
  // Sequence of the next frame, 0 when there is none.
  uint64_t send() {
    const FramePtr frame = window.next(now);
    return frame == nullptr ? 0 : frame->sequence;
  }
  size_t ack(uint64_t sequence) {
    acked_.clear();
    EXPECT_TRUE(window.ack(sequence, acked_).ok());
    return acked_.size();
  }

  FrameWindow window{1 << 20};
  Nanos now{0};
  std::vector<FramePtr> acked_;
  uint64_t next_ = 0;
};

TEST_F(FrameWindowTest, SendsASingleUnitAtOnce) {
  connect();
  EXPECT_EQ(send(), 0u);
  ASSERT_TRUE(offer());
  EXPECT_EQ(send(), 1u);
  EXPECT_EQ(send(), 0u);
}

TEST_F(FrameWindowTest, GathersSmallUnitsWhileTwoFramesAreUnacknowledged) {
  connect();
  for (uint64_t n = 1; n <= FrameWindow::kGatherFrames; ++n) {
    ASSERT_TRUE(offer());
    EXPECT_EQ(send(), n);
  }
  ASSERT_TRUE(offer());
  EXPECT_TRUE(window.isGathering());
  EXPECT_EQ(send(), 0u);
  ASSERT_TRUE(offer());
  ack(1);  // company or not, the next ACK sends it on
  EXPECT_FALSE(window.isGathering());
  EXPECT_EQ(send(), 3u);
  ASSERT_TRUE(offer(FrameWindow::kGatherBytes));
  EXPECT_FALSE(window.isGathering());
  EXPECT_EQ(send(), 4u);
}

TEST_F(FrameWindowTest, PacksWhatCameWhileTheSocketWasBusyUpToTheLimit) {
  connect();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(offer(200'000));
  const FramePtr first = window.next(now);
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(first->units.size(), 4u);
  EXPECT_LE(first->bytes, FrameWindow::kMaxUnitBytesOfFrame + wire::kFramePrefixBytes);
  EXPECT_EQ(window.next(now)->units.size(), 1u);
}

TEST_F(FrameWindowTest, RefusesBeyondTheHighMarkAndTellsOfRoomOnceBelowHalf) {
  connect();
  int taken = 0;
  while (offer(200'000)) ++taken;
  EXPECT_EQ(taken, 5);
  EXPECT_FALSE(window.takeRoom());
  ASSERT_EQ(send(), 1u);  // four of the five units
  ASSERT_EQ(send(), 2u);
  EXPECT_EQ(ack(1), 1u);
  EXPECT_TRUE(window.takeRoom());
  EXPECT_FALSE(window.takeRoom());
}

TEST_F(FrameWindowTest, ARefusedUnitIsUntouched) {
  connect();
  while (offer(200'000)) {
  }
  SealedUnit unit = unitOf("pod", next_, noise(200'000, 1));
  const std::string before = unit.bytes;
  ASSERT_FALSE(window.offer(std::move(unit)));
  EXPECT_EQ(unit.bytes, before);
  EXPECT_EQ(unit.blocks.size(), 1u);
}

TEST_F(FrameWindowTest, AnEmptyWindowTakesAUnitLargerThanItself) {
  FrameWindow small(1000);
  EXPECT_TRUE(small.offer(unitOf("pod", 0, noise(5000, 1))));
  EXPECT_FALSE(small.offer(unitOf("pod", 5041, "x")));
}

TEST_F(FrameWindowTest, KeepsToTheAggregatorsWindowButNeverStarves) {
  connect(0, 1000);
  ASSERT_TRUE(offer(5000));
  EXPECT_EQ(send(), 1u) << "one frame may always be under way";
  ASSERT_TRUE(offer());
  EXPECT_EQ(send(), 0u);
  ack(1);
  EXPECT_EQ(send(), 2u);
  EXPECT_GT(window.inFlightBytes(), 0u);
  ack(2);
  EXPECT_EQ(window.inFlightBytes(), 0u);
}

TEST_F(FrameWindowTest, AFrameThatDoesNotFitIntoTheRestOfTheWindowWaits) {
  connect(0, 10'000);
  ASSERT_TRUE(offer(6000));
  ASSERT_EQ(send(), 1u);
  ASSERT_TRUE(offer(6000));
  EXPECT_EQ(send(), 0u);
  ack(1);
  EXPECT_EQ(send(), 2u);
}

TEST_F(FrameWindowTest, ResendsFromTheFirstUnacknowledgedFrameAfterAReconnect) {
  connect();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(offer(FrameWindow::kGatherBytes));
    ASSERT_NE(send(), 0u);
  }
  EXPECT_EQ(ack(1), 1u);
  EXPECT_EQ(window.nextSequence(), 2u);
  acked_.clear();
  connect(2);
  EXPECT_EQ(acked_.size(), 1u) << "frame 2 was durable, its ACK was lost";
  EXPECT_EQ(send(), 3u);
  EXPECT_EQ(window.counts().resentFrames, 1u);
}

TEST_F(FrameWindowTest, NackGoesBackAfterItsDelay) {
  connect();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(offer(FrameWindow::kGatherBytes));
    ASSERT_NE(send(), 0u);
  }
  ASSERT_TRUE(window.nack(2, Nanos(50)).ok());
  EXPECT_EQ(send(), 0u);
  EXPECT_EQ(*window.wakeAt(), Nanos(50));
  now = Nanos(50);
  EXPECT_EQ(send(), 2u);
  EXPECT_EQ(send(), 3u);
  ack(3);
  EXPECT_TRUE(window.empty());
  ASSERT_TRUE(window.nack(2, Nanos(99)).ok()) << "of what is acknowledged: void";
  EXPECT_EQ(window.wakeAt(), std::nullopt);
}

TEST_F(FrameWindowTest, AnswersAboutFramesNeverSentAreRefusedAndChangeNothing) {
  connect();
  ASSERT_TRUE(offer());
  EXPECT_EQ(window.ack(1, acked_).code(), base::Errc::kFixInput);
  ASSERT_EQ(send(), 1u);
  EXPECT_EQ(window.ack(2, acked_).code(), base::Errc::kFixInput);
  EXPECT_EQ(window.nack(2, now).code(), base::Errc::kFixInput);
  EXPECT_EQ(window.connected(2, 1, acked_).code(), base::Errc::kFixInput);
  EXPECT_TRUE(acked_.empty());
  EXPECT_EQ(ack(1), 1u);
}

TEST_F(FrameWindowTest, ResetDropsAllRefusesUntilReopenedAndStartsAtOne) {
  connect();
  ASSERT_TRUE(offer());
  ASSERT_EQ(send(), 1u);
  ASSERT_TRUE(offer());
  window.reset();
  EXPECT_TRUE(window.empty());
  EXPECT_EQ(window.pendingBlocks(keyOf("pod")), 0u);
  EXPECT_EQ(window.counts().droppedUnits, 2u);
  EXPECT_FALSE(offer()) << "still cut from the old life";
  EXPECT_FALSE(window.takeRoom());
  window.reopen();
  EXPECT_TRUE(window.takeRoom());
  connect();
  ASSERT_TRUE(offer());
  EXPECT_EQ(send(), 1u);
}

TEST_F(FrameWindowTest, CountsPendingBlocksByStream) {
  connect();
  ASSERT_TRUE(window.offer(unitOf("a", 0, "x")));
  ASSERT_TRUE(window.offer(unitOf("b", 0, "x")));
  EXPECT_EQ(send(), 1u);
  ASSERT_TRUE(window.offer(unitOf("a", 42, "x")));
  EXPECT_EQ(window.pendingBlocks(keyOf("a")), 2u);
  ack(1);
  EXPECT_EQ(window.pendingBlocks(keyOf("a")), 1u);
  EXPECT_EQ(window.pendingBlocks(keyOf("b")), 0u);
}

// An aggregator and a network that lose, delay and refuse by chance, as far as the format lets
// them.
class ChaoticPeer {
 public:
  explicit ChaoticPeer(uint64_t seed) : random_(seed), window_(64 * 1024) {}

  void run(int steps) {
    for (int i = 0; i < steps; ++i) act();
    offering_ = false;
    for (int i = 0; i < 2000 && !window_.empty(); ++i) act();
    ASSERT_TRUE(window_.empty());
    EXPECT_EQ(ackedUnits_, offered_) << "each unit once, in the order of the offers";
    EXPECT_EQ(durableUnits_, offered_);
  }

 private:
  void act() {
    now_ += Nanos(1);
    switch (random_() % 12) {
      case 0:
        return reconnect();
      case 1:
      case 2:
      case 3:
        return offer();
      case 4:
      case 5:
      case 6:
        return send();
      case 7:
      case 8:
        return receive();
      case 9:
      case 10:
        return deliverAnswer();
      default:
        durable_ = std::max(durable_, received_);
    }
  }

  void offer() {
    if (!offering_) return;
    SealedUnit unit = unitOf("pod", from_, noise(random_() % 9000, random_()));
    const std::string bytes = unit.bytes;
    const uint64_t to = unit.blocks[0].to;
    if (!window_.offer(std::move(unit))) return;
    from_ = to;
    offered_.push_back(bytes);
  }

  void send() {
    if (!connected_) return;
    const FramePtr frame = window_.next(now_);
    if (frame == nullptr) return;
    const std::string bytes = bytesOf(*frame);
    const auto [known, fresh] = sent_.emplace(frame->sequence, bytes);
    EXPECT_TRUE(fresh || known->second == bytes) << "frame " << frame->sequence << " resent";
    toPeer_.push_back(frame);
  }

  void receive() {
    if (toPeer_.empty()) return;
    const FramePtr frame = toPeer_.front();
    toPeer_.pop_front();
    if (frame->sequence <= received_) {  // a repeat of what is there
      answers_.push_back({true, durable_});
      return;
    }
    if (frame->sequence != received_ + 1) {
      EXPECT_TRUE(discarding_) << "a frame is missing before " << frame->sequence;
      return;
    }
    if (random_() % 4 == 0) {
      discarding_ = true;
      answers_.push_back({false, frame->sequence});
      return;
    }
    discarding_ = false;
    received_ = frame->sequence;
    for (const SealedUnit& unit : frame->units) durableUnits_.push_back(unit.bytes);
  }

  void deliverAnswer() {
    if (durable_ > told_) answers_.push_back({true, told_ = durable_});
    if (answers_.empty()) return;
    const auto [isAck, sequence] = answers_.front();
    answers_.pop_front();
    std::vector<FramePtr> acked;
    if (isAck) {
      ASSERT_TRUE(window_.ack(sequence, acked).ok());
    } else {
      ASSERT_TRUE(window_.nack(sequence, now_ + Nanos(random_() % 20)).ok());
    }
    take(acked);
  }

  // Everything on its way is lost, both ways; what was received becomes durable or is read again.
  void reconnect() {
    toPeer_.clear();
    answers_.clear();
    discarding_ = false;
    durable_ = told_ = received_;
    window_.disconnected();
    connected_ = random_() % 4 != 0;
    if (!connected_) return;
    EXPECT_LE(window_.nextSequence(), received_ + 1);
    std::vector<FramePtr> acked;
    ASSERT_TRUE(window_.connected(durable_, 20'000 + random_() % 100'000, acked).ok());
    take(acked);
  }

  void take(const std::vector<FramePtr>& acked) {
    for (const FramePtr& frame : acked) {
      EXPECT_LE(frame->sequence, durable_) << "acknowledged before durable";
      for (const SealedUnit& unit : frame->units) ackedUnits_.push_back(unit.bytes);
    }
  }

  std::mt19937_64 random_;
  FrameWindow window_;
  Nanos now_{0};
  bool connected_ = false;
  bool offering_ = true;
  uint64_t from_ = 0;
  std::vector<std::string> offered_, ackedUnits_, durableUnits_;
  std::map<uint64_t, std::string> sent_;
  std::deque<FramePtr> toPeer_;
  std::deque<std::pair<bool, uint64_t>> answers_;
  bool discarding_ = false;
  uint64_t received_ = 0, durable_ = 0, told_ = 0;
};

TEST(FrameWindowModel, EachUnitIsAcknowledgedOnceInOrderWhateverTheNetworkDoes) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    ChaoticPeer(seed).run(600);
    if (HasFailure()) break;
  }
}

}  // namespace
}  // namespace logtail::agent
