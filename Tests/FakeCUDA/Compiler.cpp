// NVRTC: reads a program as far as it needs to know which kernels are in it. Their host versions are in this library.

#include "Machine.hpp"

#include <cctype>
#include <sstream>

using namespace fake;

namespace {

struct Program {
  std::string source;
  std::map<std::string, std::string> headers;
  Image image;
  bool compiled = false;
  std::string log;
};

Live<Program> programs;

constexpr int known[] = {75, 80, 86, 87, 89, 90, 100, 103, 110, 120, 121};

/// Comments become blanks, lines stay lines.
std::string withoutComments(const std::string &text) {
  std::string result;
  for (size_t i = 0; i < text.size(); i++) {
    if (text[i] == '"') {
      size_t start = i++;
      while (i < text.size() && text[i] != '"' && text[i] != '\n') i += text[i] == '\\' ? 2 : 1;
      result += text.substr(start, i - start + 1);
    } else if (text.compare(i, 2, "//") == 0) {
      while (i < text.size() && text[i] != '\n') i++;
      result += '\n';
    } else if (text.compare(i, 2, "/*") == 0) {
      size_t end = text.find("*/", i + 2);
      if (end == std::string::npos) break;
      for (; i < end + 1; i++)
        if (text[i] == '\n') result += '\n';
    } else {
      result += text[i];
    }
  }
  return result;
}

/// Follows the includes that a GPU's compiler sees, and collects the kernels on the way. Only conditions on
/// `__CUDACC__` and `__CUDACC_RTC__` are judged; of others both sides count.
struct Reader {
  Program &program;
  std::vector<std::string> seen{};

  void read(const std::string &name, const std::string &source) {
    std::istringstream lines(withoutComments(source));
    std::vector<int> visible;  // of each open condition: 1 seen, 0 not seen, 2 not judged
    std::string line, next;
    for (int number = 1; std::getline(lines, line); number++) {
      while (!line.empty() && line.back() == '\\' && std::getline(lines, next)) line.back() = ' ', line += next, number++;
      size_t start = line.find_first_not_of(" \t");
      if (start == std::string::npos) continue;
      if (line[start] == '#') {
        directive(name, number, line.substr(line.find_first_not_of(" \t", start + 1)), visible);
        continue;
      }
      bool hidden = false;
      for (int one : visible) hidden |= one == 0;
      if (!hidden) kernels(line);
    }
  }

  void directive(const std::string &name, int number, const std::string &line, std::vector<int> &visible) {
    auto begins = [&](const char *word) { return line.compare(0, strlen(word), word) == 0; };
    if (begins("if")) {
      bool judged = line.find("__CUDACC") != std::string::npos;
      bool negative = begins("ifndef") || line.find('!') != std::string::npos;
      visible.push_back(!judged ? 2 : negative ? 0 : 1);
    } else if ((begins("else") || begins("elif")) && !visible.empty()) {
      if (visible.back() != 2) visible.back() = !visible.back();
    } else if (begins("endif") && !visible.empty()) {
      visible.pop_back();
    }
    for (int one : visible)
      if (one == 0) return;
    if (begins("include")) {
      size_t open = line.find_first_of("\"<"), close = line.find_first_of("\">", open + 1);
      if (open == std::string::npos || close == std::string::npos) return;
      std::string file = line.substr(open + 1, close - open - 1);
      auto at = program.headers.find(file);
      if (at == program.headers.end()) {
        program.log += name + "(" + std::to_string(number) + "): catastrophic error: cannot open source file \"" + file
          + "\"\n";
        return;
      }
      for (auto &one : seen)
        if (one == file) return;
      seen.push_back(file);
      read(file, at->second);
    } else if (begins("error")) {
      if (visible.empty()) program.log += name + "(" + std::to_string(number) + "): error: #" + line + "\n";
    } else if (begins("define") && !begins("define KERNEL") && line.find("KERNEL") != std::string::npos) {
      // A macro that makes kernels: their names are not written out.
      program.image.open = true;
    }
  }

  void kernels(const std::string &line) {
    for (const char *word : {"KERNEL(", "KERNEL_BOUNDS(", "KERNEL_PLAIN("})
      for (size_t at = line.find(word); at != std::string::npos; at = line.find(word, at + 1)) {
        if (at && (isalnum((unsigned char)line[at - 1]) || line[at - 1] == '_')) continue;
        size_t start = line.find_first_not_of(" \t", at + strlen(word)), end = start;
        while (end < line.size() && (isalnum((unsigned char)line[end]) || line[end] == '_')) end++;
        if (start < end) program.image.names.push_back(line.substr(start, end - start));
      }
  }
};

/// `sm_90`, `sm_90a` or `compute_90`.
bool readArchitecture(const std::string &text, Image &image) {
  size_t under = text.find('_');
  if (under == std::string::npos) return false;
  image.portable = text.compare(0, under, "compute") == 0;
  if (!image.portable && text.compare(0, under, "sm") != 0) return false;
  int number = atoi(text.c_str() + under + 1);
  image.major = number / 10;
  image.minor = number % 10;
  for (int one : known)
    if (one == number) return true;
  return false;
}

uint64_t hash(const std::string &text, uint64_t value = 14695981039346656037ull) {
  for (unsigned char c : text) value = (value ^ c) * 1099511628211ull;
  return value;
}

}  // namespace

// A line of words: magic, architecture, whether names are missing, number of names, names, the end mark.
static const char cubinMagic[] = "FAKE-CUBIN-1 ", ptxMagic[] = "FAKE-PTX-1 ";

std::string Image::text() const {
  std::ostringstream out;
  out << (portable ? ptxMagic : cubinMagic) << major << ' ' << minor << ' ' << open << ' ' << names.size();
  for (auto &name : names) out << ' ' << name;
  return out.str();
}

bool Image::parse(const void *bytes, Image &image) {
  const char *text = static_cast<const char *>(bytes);
  // No length is given: a byte is read only after those before it fit.
  auto begins = [&](const char *magic) {
    for (size_t i = 0; magic[i]; i++)
      if (text[i] != magic[i]) return false;
    return true;
  };
  image.portable = begins(ptxMagic);
  if (!image.portable && !begins(cubinMagic)) return false;
  std::istringstream in(text + strlen(image.portable ? ptxMagic : cubinMagic));
  size_t count = 0;
  in >> image.major >> image.minor >> image.open >> count;
  image.names.clear();
  for (std::string name; image.names.size() < count && in >> name;) image.names.push_back(name);
  std::string mark;
  in >> mark;
  return image.names.size() == count && mark.compare(0, 4, "hash") == 0;
}

namespace {

std::string blob(const Program &program, bool portable) {
  Image image = program.image;
  image.portable = portable;
  uint64_t value = hash(program.source);
  for (auto &[name, text] : program.headers) value = hash(text, hash(name, value));
  return image.text() + " hash" + std::to_string(value);
}

}  // namespace

extern "C" {

int nvrtcVersion(int *major, int *minor) {
  FAKE_CALL(nothing)
  *major = Machine::shared().settings.driver / 1000;
  *minor = 0;
  return 0;
}

int nvrtcGetNumSupportedArchs(int *count) {
  FAKE_CALL(nothing)
  *count = int(std::size(known));
  return 0;
}

int nvrtcGetSupportedArchs(int *architectures) {
  FAKE_CALL(nothing)
  std::copy(std::begin(known), std::end(known), architectures);
  return 0;
}

int nvrtcCreateProgram(
  nvrtcProgram *program, const char *source, const char *, int headers, const char *const *contents,
  const char *const *names) {
  FAKE_CALL(nothing)
  if (!program || !source || headers < 0 || (headers && (!contents || !names))) return CCUDA_NVRTC_INVALID_INPUT;
  auto made = std::make_unique<Program>();
  made->source = source;
  for (int i = 0; i < headers; i++) made->headers[names[i]] = contents[i];
  *program = programs.add(std::move(made));
  return 0;
}

int nvrtcCompileProgram(nvrtcProgram handle, int count, const char *const *options) {
  fake::Call call(__func__, fake::nothing);
  Program *program = programs.find(handle);
  if (!program) return CCUDA_NVRTC_INVALID_PROGRAM;
  program->compiled = false;
  program->image = {};
  program->log.clear();
  if (call.refusal) {
    program->log = "error: made to fail by the test\n";
    return call.refusal;
  }
  bool verbose = false, architecture = false;
  for (int i = 0; i < count; i++) {
    std::string option = options[i];
    const std::string first = "--gpu-architecture=";
    if (option.compare(0, first.size(), first) == 0) {
      architecture = readArchitecture(option.substr(first.size()), program->image);
      if (architecture) continue;
    }
    if (option == "--ptxas-options=-v") verbose = true;
    else if (
      option != "--std=c++17" && option != "--minimal" && option != "--restrict" && option != "--fmad=true"
      && option != "--fmad=false" && option != "--device-as-default-execution-space"
      && option.rfind("--define-macro=", 0) != 0) {
      program->log = "nvrtc: error: invalid value for option: " + option + "\n";
      return CCUDA_NVRTC_INVALID_OPTION;
    }
  }
  if (!architecture) {
    program->log = "nvrtc: error: the fake wants --gpu-architecture=sm_XY\n";
    return CCUDA_NVRTC_INVALID_OPTION;
  }
  Reader{*program}.read("default_program", program->source);
  if (!program->log.empty()) return CCUDA_NVRTC_COMPILATION;
  if (verbose)
    for (auto &name : program->image.names) {
      std::string target = "sm_" + std::to_string(program->image.major * 10 + program->image.minor);
      program->log += "ptxas info    : Compiling entry function '" + name + "' for '" + target
        + "'\nptxas info    : Function properties for " + name
        + "\n    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\nptxas info    : Used 32 registers\n";
    }
  program->compiled = true;
  return 0;
}

// PTX is made for both kinds of architecture, machine code only for one that names a device.
int nvrtcGetCUBINSize(nvrtcProgram handle, size_t *bytes) {
  FAKE_CALL(nothing)
  Program *program = programs.find(handle);
  if (!program || !program->compiled) return CCUDA_NVRTC_INVALID_PROGRAM;
  *bytes = program->image.portable ? 0 : blob(*program, false).size() + 1;
  return 0;
}

int nvrtcGetCUBIN(nvrtcProgram handle, char *image) {
  FAKE_CALL(nothing)
  Program *program = programs.find(handle);
  if (!program || !program->compiled || program->image.portable) return CCUDA_NVRTC_INVALID_PROGRAM;
  std::string text = blob(*program, false);
  memcpy(image, text.c_str(), text.size() + 1);
  return 0;
}

int nvrtcGetPTXSize(nvrtcProgram handle, size_t *bytes) {
  FAKE_CALL(nothing)
  Program *program = programs.find(handle);
  if (!program || !program->compiled) return CCUDA_NVRTC_INVALID_PROGRAM;
  *bytes = blob(*program, true).size() + 1;
  return 0;
}

int nvrtcGetPTX(nvrtcProgram handle, char *image) {
  FAKE_CALL(nothing)
  Program *program = programs.find(handle);
  if (!program || !program->compiled) return CCUDA_NVRTC_INVALID_PROGRAM;
  std::string text = blob(*program, true);
  memcpy(image, text.c_str(), text.size() + 1);
  return 0;
}

int nvrtcGetProgramLogSize(nvrtcProgram handle, size_t *bytes) {
  FAKE_CALL(nothing)
  Program *program = programs.find(handle);
  if (!program) return CCUDA_NVRTC_INVALID_PROGRAM;
  *bytes = program->log.size() + 1;
  return 0;
}

int nvrtcGetProgramLog(nvrtcProgram handle, char *text) {
  FAKE_CALL(nothing)
  Program *program = programs.find(handle);
  if (!program) return CCUDA_NVRTC_INVALID_PROGRAM;
  memcpy(text, program->log.c_str(), program->log.size() + 1);
  return 0;
}

int nvrtcDestroyProgram(nvrtcProgram *program) {
  FAKE_CALL(nothing)
  if (!program || !programs.remove(*program)) return CCUDA_NVRTC_INVALID_PROGRAM;
  *program = nullptr;
  return 0;
}

const char *nvrtcGetErrorString(int result) {
  switch (result) {
    case CCUDA_NVRTC_SUCCESS: return "NVRTC_SUCCESS";
    case CCUDA_NVRTC_OUT_OF_MEMORY: return "NVRTC_ERROR_OUT_OF_MEMORY";
    case CCUDA_NVRTC_INVALID_INPUT: return "NVRTC_ERROR_INVALID_INPUT";
    case CCUDA_NVRTC_INVALID_PROGRAM: return "NVRTC_ERROR_INVALID_PROGRAM";
    case CCUDA_NVRTC_INVALID_OPTION: return "NVRTC_ERROR_INVALID_OPTION";
    case CCUDA_NVRTC_COMPILATION: return "NVRTC_ERROR_COMPILATION";
  }
  return "NVRTC_ERROR unknown";
}

}  // extern "C"
