#pragma once
// A certificate authority and certificates of its own for each test run, written to a directory.

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <memory>
#include <string>

namespace logtail::test {

class TestAuthority {
 public:
  TestAuthority() : key_(EVP_EC_gen("P-256"), EVP_PKEY_free) {
    certificate_ = make("test authority", key_.get(), nullptr, key_.get(), "");
  }

  // ca.crt, tls.crt and tls.key for `name` into `directory`; ca.crt is that of `trusted`.
  void issue(const std::string& directory, const std::string& name, const TestAuthority& trusted) {
    const Key key(EVP_EC_gen("P-256"), EVP_PKEY_free);
    const auto certificate = make(name, key.get(), certificate_.get(), key_.get(), "DNS:" + name);
    save(directory + "/ca.crt", [&](FILE* f) { PEM_write_X509(f, trusted.certificate_.get()); });
    save(directory + "/tls.crt", [&](FILE* f) { PEM_write_X509(f, certificate.get()); });
    save(directory + "/tls.key", [&](FILE* f) {
      PEM_write_PrivateKey(f, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
  }

 private:
  using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
  using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

  static Certificate make(const std::string& name, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuerKey,
                          const std::string& subjectAltName) {
    Certificate made(X509_new(), X509_free);
    X509* x = made.get();
    X509_set_version(x, 2);
    static long serial = 1;
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 24 * 3600);
    X509_set_pubkey(x, key);
    X509_NAME* subject = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_issuer_name(x, issuer == nullptr ? subject : X509_get_subject_name(issuer));
    add(x, NID_basic_constraints, issuer == nullptr ? "critical,CA:TRUE" : "CA:FALSE");
    if (!subjectAltName.empty()) add(x, NID_subject_alt_name, subjectAltName);
    X509_sign(x, issuerKey, EVP_sha256());
    return made;
  }
  static void add(X509* x, int nid, const std::string& value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
    X509_add_ext(x, extension, -1);
    X509_EXTENSION_free(extension);
  }
  template <typename Write>
  static void save(const std::string& path, Write&& write) {
    FILE* file = std::fopen(path.c_str(), "wb");
    if (file == nullptr) return;
    write(file);
    std::fclose(file);
  }

  Key key_;
  Certificate certificate_{nullptr, X509_free};
};

}  // namespace logtail::test
