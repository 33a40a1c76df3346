// What aggregator.yaml allows where its keys depend on one another, and on the disk.
#include "aggregator/aggregator_config.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "aggregator/output_types.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_certificates.h"

namespace logtail::aggregator {
namespace {

class AggregatorYaml : public testing::Test {
 protected:
  void SetUp() override { authority.issue(certificates.path(), "aggregator"); }

  // The message; empty when all is well.
  static std::string errorOf(const std::string& yaml) {
    const auto config = config::parse(aggregatorTable(outputTypes().types()), yaml, "a.yaml");
    return config.ok() ? "" : config.message();
  }
  std::string tls() const { return "tls: {dir: " + certificates.path() + "}\n"; }

  const test::TestAuthority authority;
  test::TempDir certificates;
};

TEST_F(AggregatorYaml, ListensToOtherMachinesOverTlsOrWhenTold) {
  EXPECT_EQ(errorOf("listen: \"127.0.0.1:1\"\n"), "");
  EXPECT_EQ(errorOf("listen: \"0.0.0.0:1\"\n"),
            "a.yaml:1: listen: value \"0.0.0.0:1\": expected a loopback address, or tls.dir, or "
            "insecure: true");
  EXPECT_EQ(errorOf("listen: \"0.0.0.0:1\"\ninsecure: true\n"), "");
  EXPECT_EQ(errorOf("listen: \"0.0.0.0:1\"\n" + tls()), "");
}

TEST_F(AggregatorYaml, NamesACertificateFileThatCannotBeUsed) {
  for (const char* file : {"tls.key", "tls.crt", "ca.crt"}) {
    ASSERT_EQ(::unlink((certificates / file).c_str()), 0);
    const std::string error = errorOf("listen: \"0.0.0.0:1\"\n" + tls());
    EXPECT_TRUE(error.starts_with("a.yaml:2: tls.dir: value \"" + certificates.path() +
                                  "\": expected a directory with usable ca.crt"))
        << error;
    EXPECT_NE(error.find(certificates / file), std::string::npos) << error;
  }
}

TEST_F(AggregatorYaml, TellsAKeyOfAnotherCertificate) {
  test::TempDir other;
  authority.issue(other.path(), "aggregator");
  ASSERT_EQ(::rename((other / "tls.key").c_str(), (certificates / "tls.key").c_str()), 0);
  EXPECT_NE(errorOf("listen: \"0.0.0.0:1\"\n" + tls()).find("not the key of"), std::string::npos);
}

}  // namespace
}  // namespace logtail::aggregator
