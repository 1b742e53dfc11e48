#include "ipi/socket.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "mdbridge/error.hpp"

namespace mdbridge::ipi {

namespace {

// One attempt to reach another machine, and the silence in the middle of a message after which it
// is taken for dead, in ms.
constexpr int connect_patience = 2000;
constexpr int send_patience = 60000;

void set_option(int descriptor, int level, int option, int value) {
  // a socket without these still works, so failures do not matter
  ::setsockopt(descriptor, level, option, &value, sizeof(value));
}

/// Small messages at once, and notice within two minutes when the other machine is gone.
void tune_tcp(int descriptor) {
  set_option(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, 60);
  set_option(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set_option(descriptor, IPPROTO_TCP, TCP_KEEPCNT, 6);
}

/// 0 once the connection under way stands, else the error number.
int await_connection(int descriptor) {
  pollfd waiting{descriptor, POLLOUT, 0};
  if (::poll(&waiting, 1, connect_patience) <= 0) return ETIMEDOUT;
  int error = 0;
  socklen_t length = sizeof(error);
  ::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length);
  return error;
}

}  // namespace

std::optional<std::string> Socket::connect(const Endpoint& endpoint) {
  close();
  return endpoint.path.empty() ? connect_tcp(endpoint) : connect_unix(endpoint);
}

std::optional<std::string> Socket::connect_unix(const Endpoint& endpoint) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (endpoint.path.size() >= sizeof(address.sun_path)) {
    throw Error("the path of a unix socket can have at most " +
                std::to_string(sizeof(address.sun_path) - 1) + " characters, but " + endpoint.path +
                " has " + std::to_string(endpoint.path.size()));
  }
  std::memcpy(address.sun_path, endpoint.path.data(), endpoint.path.size());
  return try_address(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}

std::optional<std::string> Socket::connect_tcp(const Endpoint& endpoint) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(endpoint.port);
  const int status = ::getaddrinfo(endpoint.host.c_str(), port.c_str(), &hints, &found);
  if (status == EAI_AGAIN) return ::gai_strerror(status);
  if (status != 0) {
    throw Error("there is no host \"" + endpoint.host + "\": " + ::gai_strerror(status));
  }
  std::optional<std::string> failure = "no address";
  for (const addrinfo* entry = found; entry && failure; entry = entry->ai_next) {
    failure = try_address(entry->ai_family, entry->ai_addr, entry->ai_addrlen);
  }
  ::freeaddrinfo(found);
  if (!failure) tune_tcp(descriptor_);
  return failure;
}

std::optional<std::string> Socket::try_address(int family, const sockaddr* address,
                                               socklen_t length) {
  close();
  descriptor_ = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor_ < 0) throw Error("cannot open a socket: " + std::string(std::strerror(errno)));
  int error = ::connect(descriptor_, address, length) == 0 ? 0 : errno;
  if (error == EINPROGRESS) error = await_connection(descriptor_);
  if (error == 0) return std::nullopt;
  close();
  return std::strerror(error);
}

void Socket::close() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

Socket::Chunk Socket::receive(char* data, std::size_t capacity) {
  const ssize_t count = ::recv(descriptor_, data, capacity, 0);
  if (count > 0) return {static_cast<std::size_t>(count), false};
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return {};
  return {0, true};
}

bool Socket::send(const std::string& bytes) {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t count =
        ::send(descriptor_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count > 0) {
      sent += static_cast<std::size_t>(count);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return false;
    pollfd waiting{descriptor_, POLLOUT, 0};
    const int ready = ::poll(&waiting, 1, send_patience);
    if (ready == 0 || (ready < 0 && errno != EINTR)) return false;
  }
  return true;
}

}  // namespace mdbridge::ipi
