// The audit is real: one block hidden, doubled or altered at any hop makes it fail.
#include "aggregator/audit.h"

#include "aggregator/output_beginning.h"
#include "outputs/file_output.h"
#include "tests/aggregator/receiver_fixture.h"
#include "tests/aggregator/unit_edit.h"

namespace logtail::aggregator {
namespace {

using outputs::Batch;
using outputs::BatchPtr;

enum class Hop { kNone, kAgent, kReceived, kStored, kOutput };

class EditingIntake final : public IntakeFaults {
 public:
  EditingIntake(Hop hop, Edit edit) : hop_(hop), edit_(edit) {}
  void received(std::string& units) override {
    if (hop_ != Hop::kReceived || ++frames_ != 2) return;
    units = editUnits(units, edit_).units;
  }
  void admitted(std::string& units, std::vector<wal::Verdict>& verdicts) override {
    if (hop_ != Hop::kStored || ++frames_ != 2) return;
    const Edited edited = editUnits(units, edit_);
    std::vector<wal::Verdict> all;
    for (size_t i = 0; i < edited.copies.size(); ++i) {
      all.insert(all.end(), edited.copies[i], verdicts[i]);
    }
    units = edited.units;
    verdicts = all;
  }

 private:
  const Hop hop_;
  const Edit edit_;
  int frames_ = 0;
};

// An output whose second batch with records comes to it changed.
class EditingOutput final : public outputs::Output {
 public:
  EditingOutput(std::unique_ptr<outputs::Output> real, std::optional<Edit> edit)
      : real_(std::move(real)), edit_(edit) {}
  base::Status start() override { return real_->start(); }
  outputs::Manifest* cursor() override { return real_->cursor(); }
  void take(BatchPtr batch, outputs::Delivery delivery) override {
    if (edit_ && !batch->blocks.empty() && !edited_) batch = edited(std::move(batch));
    real_->take(std::move(batch), std::move(delivery));
  }
  std::optional<base::Nanos> turn() override { return real_->turn(); }
  void drain() override { real_->drain(); }
  void stop() override { real_->stop(); }
  void forget(const std::vector<event::StreamKey>& streams) override { real_->forget(streams); }

 private:
  struct Changed final : Batch {
    BatchPtr original;  // owns what the records point to
    std::vector<event::Record> records;
    std::string message;
  };
  BatchPtr edited(BatchPtr original) {
    edited_ = true;
    auto changed = std::make_shared<Changed>();
    changed->before = original->before;
    changed->after = original->after;
    changed->blocks = original->blocks;
    outputs::Block& first = changed->blocks.front();
    if (*edit_ == Edit::kAlter) {
      changed->records.assign(first.records.begin(), first.records.end());
      changed->message = std::string(changed->records[0].message);
      changed->message[0] ^= 1;
      changed->records[0].message = changed->message;
      first.records = changed->records;
    } else if (*edit_ == Edit::kDouble) {
      changed->blocks.push_back(outputs::Block(first));
    } else {
      changed->blocks.erase(changed->blocks.begin());
    }
    changed->original = std::move(original);
    return changed;
  }

  const std::unique_ptr<outputs::Output> real_;
  const std::optional<Edit> edit_;
  bool edited_ = false;
};

struct Fault {
  Hop hop = Hop::kNone;
  Edit edit = Edit::kHide;
};

class AuditFixture : public ReceiverFixture {
 protected:
  void SetUp() override {}
  ~AuditFixture() override { stopOutputs(); }
  void stopOutputs() {
    for (const auto& output : outputs_) output->stop();
  }

  void begin(const Fault& fault, outputs::FirstStart from = outputs::FirstStart::kOldest) {
    fault_ = fault;
    intakeFaults_ = std::make_unique<EditingIntake>(fault.hop, fault.edit);
    faults = intakeFaults_.get();
    startAll();
    beginning_ =
        std::make_unique<OutputBeginning>(*fs, *list, log->queueId(), log->epoch(),
                                          [this](const auto& use) { intake->withLedger(use); });
    addOutput("files", from);
  }

  void addOutput(const std::string& id, outputs::FirstStart from) {
    outputs::FileSettings settings;
    settings.directory = "/out/" + id;
    settings.from = from;
    outputs::OutputContext context;
    context.id = id;
    context.directory = "/data/outputs/" + id;
    context.files = fs.get();
    context.clock = &clock;
    context.metrics = &registry;
    context.queueId = log->queueId();
    auto file = outputs::FileOutput::make(settings, context);
    ASSERT_TRUE(file.ok()) << file.message();
    const std::optional<Edit> edit =
        fault_.hop == Hop::kOutput ? std::optional(fault_.edit) : std::nullopt;
    outputs::RunnerContext running;
    running.id = id;
    running.directory = context.directory;
    running.queueId = log->queueId();
    running.files = fs.get();
    running.clock = &clock;
    running.queue = list.get();
    running.metrics = &registry;
    running.memory = &outputMemory_;
    running.begin = [this](outputs::FirstStart where, const outputs::CountsMap& have) {
      return beginning_->find(where, have);
    };
    outputs_.push_back(std::make_unique<outputs::OutputRunner>(
        std::move(running), settings, std::make_unique<EditingOutput>(std::move(*file), edit)));
    ASSERT_TRUE(outputs_.back()->start().ok());
  }

  // Three frames of two streams, then the agent's farewell.
  void talk() {
    ScriptedAgent agent(port);
    agent.hello("n1", 7);
    agent.stream(a);
    agent.stream(b);
    for (uint64_t i = 1; i <= 3; ++i) {
      std::string unit = maker.unit({a.key(), b.key()}, 4).unit;
      const bool edited = fault_.hop == Hop::kAgent && fault_.edit != Edit::kAgain && i == 2;
      if (edited) unit = editUnits(unit, fault_.edit).units;
      agent.frame(i, unit);
    }
    if (fault_.edit == Edit::kAgain) agent.frame(4, maker.again(a.key(), true).unit);
    sayFarewell(agent);
  }
  void sayFarewell(ScriptedAgent& agent) {
    wire::Stats stats;
    stats.final = true;
    stats.timeNanos = clock.wallNanos();
    for (const event::StreamKey& key : {a.key(), b.key()}) {
      const FrameMaker::Sealed& sealed = maker.sealed(key);
      stats.streams.push_back(
          {key, sealed.bytes, 0, sealed.bytes, sealed.records, sealed.digest, 0});
    }
    agent.say(stats);
    agent.halfClose();
    while (agent.next()) {
    }
  }

  Audit audit() {
    const auto deadline = clock.steady() + std::chrono::seconds(20);
    for (const auto& output : outputs_) EXPECT_TRUE(output->drain(deadline)) << output->id();
    return takeAudit(gatherAudit(*intake, outputs_, *list, clock), *fs, *list);
  }

  static std::string findings(const Audit& audit) {
    std::string text;
    for (const std::string& line : audit.unaccounted) text += line + "\n";
    for (const std::string& line : audit.incomplete) text += "incomplete: " + line + "\n";
    return text;
  }

  Fault fault_;
  std::unique_ptr<EditingIntake> intakeFaults_;
  std::unique_ptr<OutputBeginning> beginning_;
  base::MemoryBudget outputMemory_{uint64_t{1} << 30};
  RunningOutputs outputs_;
};

TEST_F(AuditFixture, IsCleanWhenNothingWentWrong) {
  begin({});
  talk();
  const Audit result = audit();
  EXPECT_EQ(result.result, AuditResult::kClean) << findings(result);
  EXPECT_EQ(result.totals.content.records, 24u);
  ASSERT_EQ(result.outputs.size(), 1u);
  EXPECT_EQ(result.outputs[0].delivered[outputs::Fate::kDelivered].records, 24u);
}

TEST_F(AuditFixture, TellsWhatIsUnderWay) {
  begin({});
  talk();
  audit();
  stopOutputs();
  ScriptedAgent agent(port);
  agent.hello("n1", 8);
  agent.stream(a);
  agent.frame(1, maker.unit({a.key()}, 5).unit);
  agent.ack(1);
  const Audit result = takeAudit(gatherAudit(*intake, outputs_, *list, clock), *fs, *list);
  EXPECT_EQ(result.result, AuditResult::kIncomplete) << findings(result);
  EXPECT_EQ(result.outputs[0].inFlight.records, 5u);
}

TEST_F(AuditFixture, ComparesAnOutputThatBeganLater) {
  begin({});
  talk();
  addOutput("newest", outputs::FirstStart::kNewest);
  addOutput("oldest", outputs::FirstStart::kOldest);
  audit();
  ScriptedAgent agent(port);
  agent.hello("n1", 8);
  agent.stream(a);
  agent.frame(1, maker.unit({a.key()}, 5).unit);
  agent.ack(1);
  const Audit result = audit();
  EXPECT_TRUE(result.unaccounted.empty()) << findings(result);
  EXPECT_EQ(result.outputs[1].delivered[outputs::Fate::kDelivered].records, 5u);
  EXPECT_EQ(result.outputs[1].delivered[outputs::Fate::kSkipped].records, 24u);
  EXPECT_EQ(result.outputs[2].delivered[outputs::Fate::kDelivered].records, 29u);
}

TEST_F(AuditFixture, ComparesStreamsThatTheLedgerHasForgotten) {
  begin({});
  talk();
  ScriptedAgent agent(port);
  agent.hello("n1", 8);
  agent.say(wire::StreamEnd{a.key()});
  agent.expect(wire::MessageType::kStreamOk, wire::decodeStreamOk);
  intake->withLedger([&](Ledger& l) { EXPECT_EQ(l.forgetEnded(INT64_MAX), 1u); });
  Audit result = audit();
  EXPECT_TRUE(result.unaccounted.empty()) << findings(result);
  outputs_[0]->forget({a.key()});
  agent.stream(b);
  agent.frame(1, maker.unit({b.key()}, 1).unit);
  agent.ack(1);
  result = audit();
  EXPECT_TRUE(result.unaccounted.empty()) << findings(result);
  EXPECT_EQ(outputs_[0]->progress().streams.count(a.key()), 0u);
  EXPECT_EQ(outputs_[0]->progress().forgotten[outputs::Fate::kDelivered].records, 12u);
}

// Rightly so when a file was rewritten under its first line: told, and no failure.
TEST_F(AuditFixture, ListsGenerationsThatWereBegunAgain) {
  begin({});
  talk();
  const uint64_t bytes = maker.sealed(a.key()).bytes;
  ScriptedAgent agent(port);
  agent.hello("n1", 8);
  agent.stream(a);
  agent.frame(1, maker.again(a.key(), false).unit);
  agent.ack(1);
  const AuditInput input = [&] {
    audit();
    return gatherAudit(*intake, outputs_, *list, clock);
  }();
  const Audit result = takeAudit(input, *fs, *list);
  EXPECT_EQ(result.result, AuditResult::kClean) << findings(result);
  const std::string line =
      "shop/a/app#0: 1 generations begun again, " + std::to_string(bytes) + " bytes";
  EXPECT_EQ(result.possibleRepeats, std::vector<std::string>{line});
  EXPECT_NE(toJson(result, input, false).find("\"possible_repeats\":[\"" + line + "\"]"),
            std::string::npos);
}

class AuditFaults : public AuditFixture,
                    public testing::WithParamInterface<std::tuple<Hop, Edit>> {};

TEST_P(AuditFaults, MakeItFail) {
  const auto [hop, edit] = GetParam();
  begin({hop, edit});
  talk();
  const Audit result = audit();
  EXPECT_EQ(result.result, AuditResult::kUnaccounted) << findings(result);
}

std::string nameOf(const testing::TestParamInfo<std::tuple<Hop, Edit>>& row) {
  const auto [hop, edit] = row.param;
  constexpr const char* kHops[] = {"None", "Agent", "Received", "Stored", "Output"};
  return std::string(name(edit)) + "At" + kHops[static_cast<size_t>(hop)];
}

INSTANTIATE_TEST_SUITE_P(
    Each, AuditFaults,
    testing::Combine(testing::Values(Hop::kAgent, Hop::kReceived, Hop::kStored, Hop::kOutput),
                     testing::Values(Edit::kHide, Edit::kDouble, Edit::kAlter)),
    nameOf);
INSTANTIATE_TEST_SUITE_P(UnderANewEpoch, AuditFaults,
                         testing::Values(std::tuple(Hop::kAgent, Edit::kAgain)), nameOf);

}  // namespace
}  // namespace logtail::aggregator
