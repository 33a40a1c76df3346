#include "common/net/tls.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "common/base/file_system.h"
#include "common/net/certified_node.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_certificates.h"

namespace logtail::net {
namespace {

using Kind = CertifiedNode::Kind;

TEST(CertifiedNode, IsTheOneNameThatAllAlternativeNamesGive) {
  struct Row {
    const char* names;
    Kind kind;
    const char* text;  // the name, or a part of what is said
  };
  const std::string longest = "DNS:" + std::string(253, 'n');
  const std::string tooLong = "DNS:" + std::string(254, 'n');
  const Row rows[] = {
      {"DNS:node-1.example_x", Kind::kOne, "node-1.example_x"},
      {"URI:spiffe://cluster.local/node/node-1", Kind::kOne, "node-1"},
      {"DNS:n1,IP:10.0.0.1,email:a@b.example", Kind::kOne, "n1"},
      {"DNS:n1,URI:spiffe://c/node/n1,DNS:n1", Kind::kOne, "n1"},
      {"DNS:n1,URI:spiffe://c/ns/x/sa/y", Kind::kOne, "n1"},
      {longest.c_str(), Kind::kOne, ""},
      {"", Kind::kNone, "neither"},
      {"IP:10.0.0.1", Kind::kNone, "neither"},
      {"URI:https://c/node/n1", Kind::kNone, "neither"},
      {"URI:spiffe:///node/n1", Kind::kNone, "neither"},
      {"URI:spiffe://c/node", Kind::kNone, "neither"},
      {"URI:spiffe://c/x/node/n1", Kind::kNone, "neither"},
      {"URI:spiffe://c/node/", Kind::kNone, "\"\""},
      {"URI:spiffe://c/node/n1/x", Kind::kNone, "n1/x"},
      {"URI:spiffe://c/node/n%31", Kind::kNone, "n%31"},
      {"DNS:*.example", Kind::kNone, "*.example"},
      {"DNS:a b", Kind::kNone, "a b"},
      {tooLong.c_str(), Kind::kNone, "no node's"},
      {"DNS:n1,DNS:n2", Kind::kSeveral, "n1, n2"},
      {"DNS:n1,DNS:N1", Kind::kSeveral, "n1, N1"},
      {"DNS:n1,DNS:*.example", Kind::kSeveral, "n1, *.example"},
      {"DNS:n1,URI:spiffe://c/node/n2", Kind::kSeveral, "n1, n2"},
  };
  const test::TestAuthority authority;
  for (const Row& row : rows) {
    // The common name is not asked.
    const auto certificate = authority.certificate({"node-1", row.names, ""});
    const CertifiedNode node = certifiedNode(certificate.get());
    EXPECT_EQ(node.kind, row.kind) << row.names << ": " << node.text;
    const bool whole = row.kind == Kind::kOne && row.text[0] != '\0';
    const bool same = whole ? node.text == row.text : node.text.find(row.text) != std::string::npos;
    EXPECT_TRUE(same) << row.names << ": " << node.text;
  }
}

class TlsDirectory : public testing::Test {
 protected:
  void SetUp() override { authority.issue(directory.path(), "n1"); }
  void write(const char* file, const std::string& text) {
    std::ofstream(directory / file, std::ios::trunc) << text;
  }
  // kFixInput, naming the file, with `why` in it.
  void expectWrong(const char* file, const std::string& why) {
    for (const TlsSide side : {TlsSide::kClient, TlsSide::kServer}) {
      const base::Status status = checkTlsDirectory(directory.path(), side);
      ASSERT_FALSE(status.ok()) << file << " " << why;
      EXPECT_EQ(status.code(), base::Errc::kFixInput);
      EXPECT_NE(status.message().find(directory / file), std::string::npos) << status.message();
      EXPECT_NE(status.message().find(why), std::string::npos) << status.message();
    }
  }

  const test::TestAuthority authority;
  test::TempDir directory;
};

TEST_F(TlsDirectory, IsGoodWhenAllThreeFilesBelongTogether) {
  EXPECT_TRUE(checkTlsDirectory(directory.path(), TlsSide::kServer).ok());
  EXPECT_TRUE(checkTlsDirectory(directory.path(), TlsSide::kClient).ok());
}

TEST_F(TlsDirectory, NamesAFileThatIsAbsent) {
  for (const char* file : {"tls.key", "tls.crt", "ca.crt"}) {
    ASSERT_EQ(::unlink((directory / file).c_str()), 0);
    expectWrong(file, "No such file");
  }
}

TEST_F(TlsDirectory, NamesAFileThatIsNoPem) {
  for (const char* file : {"tls.key", "tls.crt", "ca.crt"}) {
    const auto whole = base::readFile(base::posixFileSystem(), directory / file, 1 << 20);
    ASSERT_TRUE(whole.ok());
    for (const std::string& text : {std::string("hello\n"), std::string(), whole->substr(0, 100)}) {
      write(file, text);
      expectWrong(file, "no whole PEM of the kind");
    }
    authority.issue(directory.path(), "n1");
  }
}

TEST_F(TlsDirectory, TellsAKeyThatBelongsToAnotherCertificate) {
  test::TempDir other;
  authority.issue(other.path(), "n1");
  ASSERT_EQ(::rename((other / "tls.key").c_str(), (directory / "tls.key").c_str()), 0);
  expectWrong("tls.key", "not the key of " + (directory / "tls.crt"));
}

TEST_F(TlsDirectory, AsksNobodyForTheKeysPassword) {
  test::TestAuthority::lockKey(directory.path());
  expectWrong("tls.key", "password");
}

TEST_F(TlsDirectory, HasAnotherHashWhenAnyFileChanges) {
  const auto before = readTlsFiles(directory.path());
  ASSERT_TRUE(before.ok());
  for (const char* file : {"ca.crt", "tls.crt", "tls.key"}) {
    const auto was = readTlsFiles(directory.path());
    std::ofstream(directory / file, std::ios::app) << "\n";
    EXPECT_NE(readTlsFiles(directory.path())->hash(), was->hash()) << file;
  }
}

}  // namespace
}  // namespace logtail::net
