// The aggregator as main runs it, on a disk in memory: agents, outputs, HTTP, restarts.
#include "aggregator/aggregator_app.h"

#include <map>

#include "aggregator/output_types.h"
#include "common/base/checksum.h"
#include "common/base/coding.h"
#include "common/base/log.h"
#include "common/net/http_client.h"
#include "outputs/file_settings.h"
#include "outputs/stdout_settings.h"
#include "tests/aggregator/frame_maker.h"
#include "tests/aggregator/ledger_fixture.h"
#include "tests/aggregator/scripted_agent.h"
#include "tests/support/crash_file_system.h"

namespace logtail::aggregator {
namespace {

class AggregatorAppTest : public testing::Test {
 protected:
  static constexpr uint64_t kSegment = 16 * 1024;

  AggregatorAppTest() {
    base::setLogLevel(base::LogLevel::kError);
    config_.listen = config_.http.listen = "127.0.0.1:0";
    config_.data.dir = "/data";
    config_.queue.size.count = 100 * kSegment;
    config_.queue.segment.count = kSegment;
    settings_->directory = "/logs";
    settings_->commitAge = std::chrono::milliseconds(10);
    settings_->retryMin = settings_->retryMax = std::chrono::milliseconds(10);
    config_.outputs.push_back({"files", "file", settings_});
  }
  ~AggregatorAppTest() override { stop(); }

  base::Status start() {
    stop();
    app_ = std::make_unique<AggregatorApp>(config_, types_, *fs_, base::systemClock());
    return app_->start();
  }
  void stop() {
    if (app_) app_->stop();
    app_.reset();
  }
  // The machine stops without a word, after what is durable now.
  void crash(uint64_t seed) {
    auto after = fs_->crash(seed);
    stop();
    old_.push_back(std::move(fs_));
    fs_ = std::move(after);
  }

  net::HttpResponse get(const std::string& target) { return answer(net::httpGet(url(target))); }
  net::HttpResponse post(const std::string& target) {
    return answer(net::httpPost(url(target), "", "text/plain"));
  }
  std::string url(const std::string& target) {
    return "http://127.0.0.1:" + std::to_string(app_->httpPort()) + target;
  }
  static net::HttpResponse answer(base::Result<net::HttpResponse> response) {
    EXPECT_TRUE(response.ok()) << response.message();
    return response.ok() ? *response : net::HttpResponse{0, {}, {}, {}};
  }
  // Asks until nothing is under way; what the audit says then.
  std::string audit() {
    std::string body;
    for (int i = 0; i < 2000; ++i) {
      body = get("/v1/audit").body;
      if (body.find("\"exit_code\":3") == std::string::npos) break;
    }
    return body;
  }
  void expectClean() {
    const std::string body = audit();
    EXPECT_NE(body.find("\"exit_code\":0"), std::string::npos) << body;
  }

  static wire::StreamStats statsOf(const event::StreamKey& key, const FrameMaker::Sealed& sealed,
                                   uint64_t known = 0) {
    return {key, sealed.bytes + known, 0, sealed.bytes, sealed.records, sealed.digest, known};
  }
  // Sends frames of one block each, waits for the ACK, says farewell.
  void talk(uint64_t life, unsigned frames) {
    ScriptedAgent agent(app_->agentPort());
    FrameMaker::Sealed before = maker_.sealed(a_.key());
    agent.hello("n1", life);
    agent.stream(a_);
    for (unsigned i = 1; i <= frames; ++i) agent.frame(i, maker_.unit({a_.key()}, 10).unit);
    agent.ack(frames);
    farewell(agent, before);
  }
  void farewell(ScriptedAgent& agent, const FrameMaker::Sealed& before) {
    const FrameMaker::Sealed& now = maker_.sealed(a_.key());
    wire::Stats stats;
    stats.final = true;
    stats.timeNanos = base::systemClock().wallNanos();
    stats.streams.push_back(statsOf(
        a_.key(),
        {now.bytes - before.bytes, now.records - before.records, now.digest - before.digest}));
    agent.say(stats);
    agent.halfClose();
    while (agent.next()) {
    }
  }
  // The next NACK, whatever is acknowledged before it.
  static wire::Nack waitNack(ScriptedAgent& agent) {
    while (agent.next()) {
      if (agent.message().type == wire::MessageType::kNack) {
        return *wire::decodeNack(agent.message().payload);
      }
      if (agent.message().type == wire::MessageType::kError) {
        ADD_FAILURE() << wire::decodeError(agent.message().payload)->text;
      }
    }
    ADD_FAILURE() << "the connection ended";
    return {};
  }
  // Sends again from where it is told to until all is acknowledged.
  static void resend(ScriptedAgent& agent, const std::vector<std::string>& frames,
                     wire::Nack nack) {
    for (;;) {
      for (uint64_t i = nack.sequence; i > 0 && i <= frames.size(); ++i) {
        agent.frame(i, frames[i - 1]);
      }
      nack = {};
      while (nack.sequence == 0) {
        ASSERT_TRUE(agent.next()) << "the connection ended";
        if (agent.message().type == wire::MessageType::kNack) {
          nack = *wire::decodeNack(agent.message().payload);
        } else if (agent.message().type == wire::MessageType::kAck &&
                   wire::decodeAck(agent.message().payload)->sequence == frames.size()) {
          return;
        }
      }
    }
  }
  // How often each message is in the files.
  std::map<std::string, unsigned> delivered() {
    std::map<std::string, unsigned> found;
    const auto bytes = base::readFile(*fs_, "/logs/shop/a_app.log", 1 << 30);
    if (!bytes.ok()) return found;
    for (size_t at = bytes->find("\"log\":\""); at != std::string::npos;
         at = bytes->find("\"log\":\"", at + 1)) {
      ++found[bytes->substr(at + 7, bytes->find('"', at + 7) - at - 7)];
    }
    return found;
  }
  static std::map<std::string, unsigned> onceEach(uint64_t lines) {
    std::map<std::string, unsigned> all;
    for (uint64_t i = 1; i <= lines; ++i) all["line " + std::to_string(i)] = 1;
    return all;
  }
  // Every file below a directory with its bytes.
  void collect(const std::string& directory, std::map<std::string, std::string>& files) {
    const auto names = fs_->list(directory);
    if (!names.ok()) return;
    for (const std::string& name : *names) {
      const std::string path = directory + "/" + name;
      if (fs_->info(path)->isDirectory) {
        collect(path, files);
      } else {
        files[path] = *base::readFile(*fs_, path, 1 << 30);
      }
    }
  }
  std::map<std::string, std::string> allFiles() {
    std::map<std::string, std::string> files;
    collect("/data", files);
    return files;
  }
  std::string firstFile(const std::string& directory, const std::string& suffix) {
    const auto names = fs_->list(directory);
    for (const std::string& name : *names) {
      if (name.ends_with(suffix)) return directory + "/" + name;
    }
    ADD_FAILURE() << "no " << suffix << " in " << directory;
    return "";
  }
  // Makes it of version 99; the header's CRC-32C at `crcAt` is of all before it.
  void makeNewer(const std::string& path, size_t versionAt, size_t crcAt) {
    std::string bytes = *base::readFile(*fs_, path, 1 << 30);
    base::storeFixed(bytes.data() + versionAt, uint32_t{99});
    base::storeFixed(bytes.data() + crcAt, base::crc32c(std::string_view(bytes).substr(0, crcAt)));
    ASSERT_TRUE(base::writeFileAtomically(*fs_, path, bytes).ok());
  }
  void expectRefusedUntouched() {
    const auto before = allFiles();
    const base::Status started = start();
    ASSERT_FALSE(started.ok());
    EXPECT_EQ(started.code(), base::Errc::kTooNew);
    EXPECT_NE(started.message().find("99"), std::string::npos) << started.message();
    stop();
    EXPECT_TRUE(allFiles() == before);
  }

  std::vector<std::unique_ptr<test::CrashFileSystem>> old_;
  std::unique_ptr<test::CrashFileSystem> fs_ = std::make_unique<test::CrashFileSystem>();
  const outputs::OutputRegistry types_ = outputTypes();
  std::shared_ptr<outputs::FileSettings> settings_ = std::make_shared<outputs::FileSettings>();
  AggregatorConfig config_;
  std::unique_ptr<AggregatorApp> app_;
  FrameMaker maker_;
  const event::StreamDescription a_ = describe("n1", "a");
};

TEST_F(AggregatorAppTest, DeliversAndAccountsForEverythingFromAnEmptyDirectory) {
  ASSERT_TRUE(start().ok());
  talk(7, 20);
  expectClean();
  EXPECT_EQ(delivered(), onceEach(200));
  EXPECT_EQ(get("/readyz").status, 200);
  EXPECT_EQ(get("/livez").status, 200);
  for (const char* name : {"logtail_queue_used_bytes", "logtail_output_up{output=\"files\"} 1",
                           "logtail_output_lag_entries{output=\"files\"} 0"}) {
    // The agent's last words may still be on their way through the queue.
    while (get("/metrics").body.find(name) == std::string::npos) std::this_thread::yield();
  }
}

TEST_F(AggregatorAppTest, GoesOnAfterARestart) {
  for (uint64_t life = 1; life <= 3; ++life) {
    ASSERT_TRUE(start().ok());
    talk(life, 5);
    stop();
    EXPECT_EQ(delivered(), onceEach(50 * life));
  }
  ASSERT_TRUE(start().ok());
  expectClean();
}

TEST_F(AggregatorAppTest, GoesOnAfterACrash) {
  for (uint64_t life = 1; life <= 6; ++life) {
    ASSERT_TRUE(start().ok());
    talk(life, 5);
    crash(life - 1);
  }
  ASSERT_TRUE(start().ok());
  expectClean();
  EXPECT_EQ(delivered(), onceEach(300));
}

TEST_F(AggregatorAppTest, BooksWhatAForgottenNodeStillHad) {
  ASSERT_TRUE(start().ok());
  EXPECT_EQ(post("/v1/admin/forget-node").status, 400);
  EXPECT_EQ(post("/v1/admin/forget-node?node=n1").status, 404);
  {
    ScriptedAgent agent(app_->agentPort());
    agent.hello("n1", 7);
    agent.stream(a_);
    agent.frame(1, maker_.unit({a_.key()}, 3).unit);
    agent.ack(1);
    wire::Stats stats;
    stats.timeNanos = base::systemClock().wallNanos();
    stats.streams.push_back(statsOf(a_.key(), maker_.sealed(a_.key()), 1234));
    agent.say(stats);
    agent.halfClose();
    while (agent.next()) {
    }
  }
  net::HttpResponse forgotten = post("/v1/admin/forget-node?node=n1");
  for (int i = 0; forgotten.status == 503 && i < 2000; ++i) {  // still being closed
    forgotten = post("/v1/admin/forget-node?node=n1");
  }
  EXPECT_EQ(forgotten.status, 200) << forgotten.body;
  EXPECT_NE(get("/v1/audit").body.find("\"lost_with_node_bytes\":1234"), std::string::npos);
  EXPECT_EQ(get("/v1/audit").body.find("silent"), std::string::npos);
}

TEST_F(AggregatorAppTest, MakesAgentsWaitWhileTheDiskIsFull) {
  ASSERT_TRUE(start().ok());
  ScriptedAgent agent(app_->agentPort());
  agent.hello("n1", 7);
  agent.stream(a_);
  std::vector<std::string> frames{maker_.unit({a_.key()}, 3000).unit};
  agent.frame(1, frames[0]);
  agent.ack(1);
  fs_->setCapacity(fs_->usedBytes());
  bool full = false;
  while (!full && frames.size() < 1000) {
    full = get("/metrics").body.find("\nlogtail_queue_full 1") != std::string::npos;
    frames.push_back(maker_.unit({a_.key()}, 3000).unit);
    agent.frame(frames.size(), frames.back());
  }
  const wire::Nack nack = waitNack(agent);
  EXPECT_EQ(nack.reason, wire::NackReason::kQueueFull);
  EXPECT_EQ(get("/readyz").status, 200);
  fs_->setCapacity(0);
  resend(agent, frames, nack);
  farewell(agent, {});
  expectClean();
  EXPECT_EQ(delivered(), onceEach(3000 * frames.size()));
}

TEST_F(AggregatorAppTest, AnswersWhileForgettingANodeFindsNoRoom) {
  ASSERT_TRUE(start().ok());
  talk(1, 3);
  stop();
  fs_->failWhen([](const test::Operation& operation) -> std::optional<base::Errc> {
    if (operation.kind != test::OpKind::kAllocate) return std::nullopt;
    return base::Errc::kPushBack;
  });
  ASSERT_TRUE(start().ok());
  EXPECT_EQ(post("/v1/admin/forget-node?node=n1").status, 503);
  EXPECT_EQ(get("/livez").status, 200);
  fs_->failWhen(nullptr);
  net::HttpResponse forgotten;
  do {
    forgotten = post("/v1/admin/forget-node?node=n1");
  } while (forgotten.status == 503);
  EXPECT_EQ(forgotten.status, 200);
}

TEST_F(AggregatorAppTest, ComesOutOfAFullQueueByItself) {
  config_.queue.size.count = 5 * kSegment;
  ASSERT_TRUE(start().ok());
  ScriptedAgent agent(app_->agentPort());
  agent.hello("n1", 7);
  agent.stream(a_);
  std::vector<std::string> frames;
  for (int i = 0; i < 40; ++i) {
    frames.push_back(maker_.unit({a_.key()}, 3000).unit);
    agent.frame(frames.size(), frames.back());
  }
  resend(agent, frames, {});
  farewell(agent, {});
  expectClean();
  EXPECT_EQ(delivered(), onceEach(3000 * frames.size()));
}

// What `validate` computes is what a start reserves, to the byte.
TEST_F(AggregatorAppTest, StartsWithTheMemoryThatItsOutputsAreSaidToTakeAndNotWithLess) {
  config_.outputs.push_back({"live", "stdout", std::make_shared<outputs::StdoutSettings>()});
  config_.memory.count = 2 * outputsMemory(config_) - 2;
  EXPECT_EQ(start().code(), base::Errc::kPushBack);
  config_.memory.count = 2 * outputsMemory(config_);
  const base::Status started = start();
  EXPECT_TRUE(started.ok()) << started.message();
}

TEST_F(AggregatorAppTest, ShowsWhatTheLedgerLetGoOf) {
  ASSERT_TRUE(start().ok());
  const std::string metrics = get("/metrics").body;
  EXPECT_NE(metrics.find("\nlogtail_streams_forgotten_early_total 0\n"), std::string::npos);
  EXPECT_NE(metrics.find("\nlogtail_generations_forgotten_unfinished_total 0\n"),
            std::string::npos);
}

TEST_F(AggregatorAppTest, LeavesAQueueOfANewerVersionUntouched) {
  ASSERT_TRUE(start().ok());
  talk(1, 3);
  stop();
  makeNewer("/data/queue/meta", 8, 24);
  expectRefusedUntouched();
}

TEST_F(AggregatorAppTest, LeavesALedgerOfANewerVersionUntouched) {
  ASSERT_TRUE(start().ok());
  talk(1, 3);
  stop();
  makeNewer(firstFile("/data/ledger", ".snap"), 8, 32);
  expectRefusedUntouched();
}

TEST_F(AggregatorAppTest, LeavesACursorOfANewerVersionUntouched) {
  ASSERT_TRUE(start().ok());
  talk(1, 3);
  stop();
  const std::string path = "/data/outputs/files/" + fs_->list("/data/outputs/files")->back();
  makeNewer(path, 8, 20);
  expectRefusedUntouched();
}

}  // namespace
}  // namespace logtail::aggregator
