#pragma once
// Log text made safe for a terminal: it shows, and does nothing else.

#include <string>
#include <string_view>

namespace logtail::base {

// Appends `text`: UTF-8 and tabs as they are; every other control character (C0, DEL, C1, line and
// paragraph separators, bidirectional overrides) and every byte that is no UTF-8 as `\x1b`-like
// escapes, so that nothing moves the cursor, changes colours or hides text. Any thread.
void appendPrintable(std::string_view text, std::string& out);

}  // namespace logtail::base
