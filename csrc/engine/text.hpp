#pragma once

#include <string>
#include <vector>

namespace mdbridge {

/// The words with ", " between them, for lists in messages.
std::string join(const std::vector<std::string>& words);

}  // namespace mdbridge
