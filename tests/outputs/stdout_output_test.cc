// Lines on a pipe: formats, colours, readers that are slow or gone.
#include "outputs/stdout_output.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "tests/outputs/runner_rig.h"
#include "tests/outputs/test_batch.h"

namespace logtail::outputs {
namespace {

// A pipe whose ends can be closed and made anew behind the same writing descriptor.
class Pipe {
 public:
  Pipe() { open(-1); }
  ~Pipe() {
    closeReader();
    ::close(writer_);
  }
  int writer() const { return writer_; }
  void closeReader() {
    if (reader_ >= 0) ::close(reader_);
    reader_ = -1;
  }
  void reopen() {
    closeReader();
    open(writer_);
  }
  // What is there by now.
  std::string read() {
    std::string all;
    char some[4096];
    for (ssize_t got = 0; (got = ::read(reader_, some, sizeof some)) > 0;) {
      all.append(some, static_cast<size_t>(got));
    }
    return all;
  }

 private:
  void open(int writer) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    ASSERT_EQ(::fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    ASSERT_GT(::fcntl(ends[1], F_SETPIPE_SZ, 4096), 0);
    reader_ = ends[0];
    writer_ = ends[1];
    if (writer < 0) return;
    ASSERT_EQ(::dup2(ends[1], writer), writer);
    ::close(ends[1]);
    writer_ = writer;
  }
  int reader_ = -1;
  int writer_ = -1;
};

class StdoutTest : public testing::Test {
 protected:
  StdoutTest() { ::signal(SIGPIPE, SIG_IGN); }

  // What comes out of one batch with these lines.
  std::string shown(const std::vector<TestBatch::Line>& lines) {
    StdoutOutput output(settings, context(), pipe.writer());
    EXPECT_TRUE(output.start().ok());
    auto batch = std::make_shared<TestBatch>(1);
    batch->add(stream, 100, lines);
    std::optional<Outcome> outcome;
    output.take(batch, Delivery([&](Outcome how) { outcome = std::move(how); }));
    std::string all = pipe.read();
    for (int i = 0; !outcome && i < 1000; ++i) {
      output.turn();
      all += pipe.read();
    }
    EXPECT_TRUE(outcome && outcome->kind == Outcome::Kind::kDelivered);
    if (!outcome || outcome->written.size() != 1) return all;
    const event::BlockHeader& header = batch->blocks[0].header;
    EXPECT_EQ(outcome->written[0].first, header.stream);
    EXPECT_EQ(outcome->written[0].second,
              (Tally{header.records, header.recordBytes, header.digest}));
    return all;
  }
  OutputContext context() {
    return {"out", "/data/outputs/out", nullptr, &base::systemClock(), &metrics, 7};
  }

  Pipe pipe;
  StdoutSettings settings;
  metrics::Registry metrics;
  std::shared_ptr<const event::StreamDescription> stream = testStream("web");
};

TEST_F(StdoutTest, WritesTextForAPersonWithoutColoursOnAPipe) {
  EXPECT_EQ(shown({{"one"}, {"two"}}), "web app one\nweb app two\n");
}

TEST_F(StdoutTest, ColoursWhenToldTo) {
  settings.color = Color::kAlways;
  const std::string line = shown({{"one"}});
  EXPECT_TRUE(line.starts_with("\x1b[")) << line;
  EXPECT_TRUE(line.ends_with("mweb app\x1b[0m one\n")) << line;
}

TEST_F(StdoutTest, PutsTheTimeFirstWhenToldTo) {
  settings.timestamps = true;
  EXPECT_EQ(shown({{"one", 1'700'000'000'012'345'678}, {"two", -1}}),
            "2023-11-14T22:13:20.012345678Z web app one\n"
            "1969-12-31T23:59:59.999999999Z web app two\n");
}

TEST_F(StdoutTest, NeutralisesWhatActsOnATerminal) {
  stream = testStream("w\x1b[2J");
  EXPECT_EQ(shown({{"\x1b[31mred\r\xe2\x80\xae"}}),
            "w\\x1b[2J app \\x1b[31mred\\x0d\\xe2\\x80\\xae\n");
}

TEST_F(StdoutTest, WritesRawBytesAsTheyAre) {
  settings.format = StdoutFormat::kRaw;
  EXPECT_EQ(shown({{"\x1b[31m\xff"}, {""}}), "\x1b[31m\xff\n\n");
}

TEST_F(StdoutTest, WritesJsonLines) {
  settings.format = StdoutFormat::kJson;
  const std::string lines = shown({{"a \"quote\""}, {"two"}});
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 2);
  EXPECT_NE(lines.find(R"("log":"a \"quote\"")"), std::string::npos) << lines;
  EXPECT_NE(lines.find(R"("pod_name":"web")"), std::string::npos) << lines;
}

TEST_F(StdoutTest, WritesMoreThanThePipeHoldsAsItIsRead) {
  settings.format = StdoutFormat::kRaw;
  const std::vector<TestBatch::Line> lines(2000, {std::string(100, 'x')});
  EXPECT_EQ(shown(lines).size(), 2000u * 101);
}

TEST_F(StdoutTest, TriesAgainWhatAReaderLeftUnread) {
  StdoutOutput output(settings, context(), pipe.writer());
  ASSERT_TRUE(output.start().ok());
  pipe.closeReader();
  auto batch = std::make_shared<TestBatch>(1);
  batch->add(stream, 100, {{"one"}});
  std::vector<Outcome> outcomes;
  const auto note = [&](Outcome how) { outcomes.push_back(std::move(how)); };
  output.take(batch, Delivery(note));
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_EQ(outcomes[0].kind, Outcome::Kind::kRetry);
  output.stop();
  pipe.reopen();
  ASSERT_TRUE(output.start().ok());
  output.take(batch, Delivery(note));
  ASSERT_EQ(outcomes.size(), 2u);
  EXPECT_EQ(outcomes[1].kind, Outcome::Kind::kDelivered);
  EXPECT_EQ(pipe.read(), "web app one\n");
}

// Under its runner, over a real queue.
class StdoutRunnerTest : public RunnerFixture {
 protected:
  StdoutRunnerTest() {
    ::signal(SIGPIPE, SIG_IGN);
    stdoutSettings.format = StdoutFormat::kRaw;
    makeOutput = [this](OutputContext context) {
      return std::make_unique<StdoutOutput>(stdoutSettings, std::move(context), pipe.writer());
    };
  }
  // Reads until so many lines have come.
  std::vector<std::string> readLines(uint64_t count) {
    const auto deadline = clock.steady() + std::chrono::seconds(20);
    while (clock.steady() < deadline &&
           std::count(read_.begin(), read_.end(), '\n') < static_cast<int64_t>(count)) {
      read_ += pipe.read();
      std::this_thread::yield();
    }
    std::vector<std::string> lines;
    for (size_t at = 0; at < read_.size(); at = read_.find('\n', at) + 1) {
      lines.push_back(read_.substr(at, read_.find('\n', at) - at));
    }
    return lines;
  }
  static std::vector<std::string> linesTo(uint64_t count) {
    std::vector<std::string> lines;
    for (uint64_t i = 1; i <= count; ++i) lines.push_back("line " + std::to_string(i));
    return lines;
  }

  Pipe pipe;
  StdoutSettings stdoutSettings;

 private:
  std::string read_;
};

TEST_F(StdoutRunnerTest, WaitsForAReaderThatIsSlowAndLosesNothing) {
  for (int i = 0; i < 40; ++i) queue->putFrame({0}, 300);
  start();
  while (counter("records") < 4 * 300) std::this_thread::yield();
  EXPECT_FALSE(runner->drain(clock.steady()));
  // The pipe holds less than a batch: four are held, and a fifth once the first went through.
  EXPECT_LE(counter("records"), 6u * 300);
  EXPECT_EQ(readLines(12'000), linesTo(12'000));
  EXPECT_TRUE(drained());
  EXPECT_EQ(fates(Fate::kDelivered), queue->all());
}

TEST_F(StdoutRunnerTest, ComesBackWhenAReaderDoes) {
  start();
  queue->putFrame({0}, 3);
  EXPECT_EQ(readLines(3), linesTo(3));
  EXPECT_TRUE(drained());
  pipe.closeReader();
  queue->putFrame({0}, 3);
  awaitProblem();
  pipe.reopen();
  EXPECT_EQ(readLines(6), linesTo(6));
  EXPECT_TRUE(drained());
  EXPECT_EQ(fates(Fate::kDelivered), queue->all());
}

TEST_F(StdoutRunnerTest, StopsAtOnceWhenNobodyReads) {
  for (int i = 0; i < 40; ++i) queue->putFrame({0}, 300);
  start();
  while (counter("records") < 4 * 300) std::this_thread::yield();
  runner->stop();
  EXPECT_LE(runner->delivered(), 2u);
}

}  // namespace
}  // namespace logtail::outputs
