#include "common/net/http_message.h"

#include <gtest/gtest.h>

namespace logtail::net {
namespace {

using Query = std::map<std::string, std::string>;

TEST(HttpMessage, ATargetIsSplitAndDecoded) {
  std::string path;
  Query query;
  ASSERT_TRUE(parseTarget("/a%2Fb%20c+d?x=1&y&z=a+b%26&&x=2#frag", path, query));
  EXPECT_EQ(path, "/a/b c+d");
  EXPECT_EQ(query, (Query{{"x", "2"}, {"y", ""}, {"z", "a b&"}}));
  ASSERT_TRUE(parseTarget("/", path, query));
  EXPECT_EQ(query, Query{});
}

TEST(HttpMessage, ABrokenTargetIsRefused) {
  std::string path;
  Query query;
  for (const char* target :
       {"", "a", "*", "http://x/", "/%", "/%4", "/%zz", "/%00", "/?a=%", "/?%0=1"}) {
    EXPECT_FALSE(parseTarget(target, path, query)) << target;
  }
}

TEST(HttpMessage, UrlsHaveSchemeHostPortAndTarget) {
  Url url;
  ASSERT_TRUE(parseUrl("http://127.0.0.1:8686/v1/audit?x=1", url));
  EXPECT_FALSE(url.tls);
  EXPECT_EQ(url.host, "127.0.0.1");
  EXPECT_EQ(url.port, "8686");
  EXPECT_EQ(url.target, "/v1/audit?x=1");
  ASSERT_TRUE(parseUrl("https://agg", url));
  EXPECT_TRUE(url.tls);
  EXPECT_EQ(url.port, "443");
  EXPECT_EQ(url.target, "/");
  ASSERT_TRUE(parseUrl("http://[::1]:80?x", url));
  EXPECT_EQ(url.host, "::1");
  EXPECT_EQ(url.target, "/?x");
  ASSERT_TRUE(parseUrl("http://[fe80::1]", url));
  EXPECT_EQ(url.port, "80");
}

TEST(HttpMessage, WhatIsNoUrlIsRefused) {
  Url url;
  for (const char* text : {"", "agg:8686", "ftp://x", "http://", "http://:80", "http://x:",
                           "http://x:a", "http://x:123456", "http://[::1", "http://[::1]x",
                           "http://u@x/", "http://x/a b", "http://x/\r\nHost: y"}) {
    EXPECT_FALSE(parseUrl(text, url)) << text;
  }
}

}  // namespace
}  // namespace logtail::net
